/**
 * The environment as environ(7) on Bun, whose `process.env` leaves libc's own alone.
 *
 * @module
 */

import { process } from "../process.ts";

/** malloc(3), free(3), and memory as it is. */
export interface Memory {
  malloc(size: number): number;
  free(address: number): void;
  view(address: number, length: number): ArrayBuffer;
}

const encoder = new TextEncoder();

/**
 * Keeps a copy of the variables where a child can read it, and makes a new one when they have
 * changed: to compare them costs a fraction of what copying them for each child does.
 */
export function environOf({ malloc, free, view }: Memory): () => number {
  let copied: [string, string | undefined][] | undefined;
  let address = 0;
  const changed = (known: readonly [string, string | undefined][]) => {
    const { env } = process;
    // As many as before, and all of them as before: in whatever order, they are the same.
    if (Object.keys(env).length !== known.length) return true;
    for (let i = 0; i < known.length; i++) {
      const entry = known[i];
      if (entry !== undefined && env[entry[0]] !== entry[1]) return true;
    }
    return false;
  };
  return () => {
    if (copied !== undefined && !changed(copied)) return address;
    free(address);
    // Nothing counts as copied until all of it is.
    [copied, address] = [undefined, 0];
    const entries = Object.entries(process.env);
    const texts = entries.map(([name, value]) => encoder.encode(`${name}=${value}\0`));
    // NULL-terminated pointers, then the texts.
    const pointers = (texts.length + 1) * 8;
    const size = texts.reduce((sum, text) => sum + text.length, pointers);
    address = malloc(size);
    const buffer = view(address, size);
    const [words, bytes] = [new BigUint64Array(buffer, 0, pointers / 8), new Uint8Array(buffer)];
    let at = pointers;
    texts.forEach((text, i) => {
      words[i] = BigInt(address + at);
      bytes.set(text, at);
      at += text.length;
    });
    words[texts.length] = 0n;
    copied = entries;
    return address;
  };
}
