/**
 * The environment as environ(7) on Bun, whose `process.env` does not change the variables of libc.
 *
 * @module
 */

import { process } from "../process.ts";
import { utf8Encoder } from "../../core/utf8.ts";

/** malloc(3), free(3), and access to memory. */
export interface Memory {
  malloc(size: number): number;
  free(address: number): void;
  view(address: number, length: number): ArrayBuffer;
}

/**
 * Returns a function that returns the address of a copy of the variables, for a child. The copy is
 * reused until they change: to compare them costs a fraction of what copying them for each child
 * does.
 */
export function environOf({ malloc, free, view }: Memory): () => number {
  let copied: [string, string | undefined][] | undefined;
  let address = 0;
  const hasChanged = (copy: readonly [string, string | undefined][]) => {
    const { env } = process;
    // The same number of variables, and each with the same value: the order does not matter.
    if (Object.keys(env).length !== copy.length) return true;
    for (let i = 0; i < copy.length; i++) {
      const entry = copy[i];
      if (entry !== undefined && env[entry[0]] !== entry[1]) return true;
    }
    return false;
  };
  return () => {
    if (copied !== undefined && !hasChanged(copied)) return address;
    free(address);
    // If anything below throws, there is no copy.
    [copied, address] = [undefined, 0];
    const entries = Object.entries(process.env);
    const texts = entries.map(([name, value]) => utf8Encoder().encode(`${name}=${value}\0`));
    // The pointers with a NULL at their end, then the texts.
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
