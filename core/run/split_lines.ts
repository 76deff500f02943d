/**
 * Splits bytes into lines.
 *
 * @module
 */

import { web } from "../web.ts";

/** Where the bytes come from. */
export interface Bytes {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
  cancel(): Promise<void>;
}

/** The longest line. */
export interface LineBound {
  /** In bytes, without its end. */
  readonly limit: number;
  /** Called for a longer line. It is not yielded, and the lines end. */
  readonly overflow: () => void;
}

const NO_BOUND: LineBound = { limit: Infinity, overflow() {} };

/** Splits bytes at each `separator`, one ASCII character. */
export async function* splitLines(
  reader: Bytes,
  separator = "\n",
  { limit, overflow }: LineBound = NO_BOUND,
): AsyncGenerator<string, void, void> {
  const decoder = new web.TextDecoder("utf-8", { ignoreBOM: true });
  const exceeds = lengthCheck(separator.charCodeAt(0), limit);
  // The pieces of a line are joined at its end. To join them one by one has a quadratic cost.
  let open: string[] = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      const tooLongAt = value === undefined ? undefined : exceeds(value);
      const bytes = tooLongAt === undefined ? value : value?.subarray(0, tooLongAt);
      const text = done ? decoder.decode() : decoder.decode(bytes, { stream: true });
      const [first = "", ...others] = text.split(separator);
      open.push(first);
      for (const each of others) {
        yield open.join("");
        open = [each];
      }
      if (tooLongAt !== undefined) return overflow();
      if (!done) continue;
      const last = open.join("");
      if (last !== "") yield last;
      return;
    }
  } finally {
    // Also if the caller leaves the loop early.
    await reader.cancel();
  }
}

/** Returns a function that finds where in a piece a line begins that is too long. */
function lengthCheck(
  separator: number,
  limit: number,
): (piece: Uint8Array) => number | undefined {
  let open = 0;
  if (limit === Infinity) return () => undefined;
  return (piece) => {
    for (let begin = 0;;) {
      const end = piece.indexOf(separator, begin);
      open += (end < 0 ? piece.length : end) - begin;
      if (open > limit) return begin;
      if (end < 0) return undefined;
      open = 0;
      begin = end + 1;
    }
  };
}
