/**
 * Standard output line by line, as it comes.
 *
 * @module
 */

import type { Draft } from "./draft.ts";
import { launch } from "./launch.ts";
import type { RunOptions } from "./options.ts";

/**
 * Yields the lines of a program's output without their line ends (`\n`; a `\r` before it stays). A
 * last line without one is a line too.
 */
export async function* linesOf(
  draft: Draft,
  options: RunOptions,
): AsyncGenerator<string, void, void> {
  const child = await launch(draft, options, { mode: "run", stdout: "pipe" });
  try {
    yield* splitLines(child.stdout);
    await child.wait();
  } finally {
    await child[Symbol.asyncDispose]();
  }
}

/** Splits a stream of bytes at each `separator`. */
export async function* splitLines(
  stream: ReadableStream<Uint8Array>,
  separator = "\n",
): AsyncGenerator<string, void, void> {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const reader = stream.getReader();
  // Pieces of a line that has not ended yet are kept apart: joining them one by one would make a
  // long line cost its length squared.
  let open: string[] = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      const text = done ? decoder.decode() : decoder.decode(value, { stream: true });
      const [first = "", ...others] = text.split(separator);
      open.push(first);
      for (const each of others) {
        yield open.join("");
        open = [each];
      }
      if (!done) continue;
      const last = open.join("");
      if (last !== "") yield last;
      return;
    }
  } finally {
    // Ends the program's output too, if the caller has left the loop.
    await reader.cancel();
  }
}
