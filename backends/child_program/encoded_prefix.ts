/**
 * What one program leaves in an arena that the next one need not lay out again: the calls that both
 * begin with. Most programs differ only in their last call, and resetting the signals alone takes
 * more operations than everything else.
 *
 * A call is reused only if it is the very same object, so calls are never changed; and only if what
 * it is laid out as depends on nothing but its place, which {@linkcode isReusable} lists.
 *
 * @module
 */

import type { Arch } from "./arch.ts";
import { type Arg, type Call, operationsOf, type SharedPrefix } from "./call.ts";
import type { Word } from "./word.ts";

/** Everything that the layout of a call depends on, besides the calls before it. */
export interface LayoutBase {
  readonly arch: Arch;
  /** The address that the program is laid out for. */
  readonly base: Word;
  /** Where its operations begin and end, from there. */
  readonly beginning: number;
  readonly end: number;
}

/** A program as it stands in an arena. */
export interface EncodedPrefix extends LayoutBase {
  readonly calls: readonly Call[];
  readonly prefix: SharedPrefix | undefined;
  /** How many of the calls, from the first one on, can be reused. */
  readonly count: number;
  /** How far the data of each call reaches. */
  readonly reach: readonly number[];
}

/** How many calls and operations need not be laid out again. */
export interface Reused {
  readonly count: number;
  readonly operations: number;
}

/** Whether what stands in an arena was laid out in the same way as a program is to be. */
export function fits(encoded: EncodedPrefix, layout: LayoutBase): boolean {
  return encoded.base === layout.base && encoded.arch === layout.arch &&
    encoded.beginning === layout.beginning && encoded.end === layout.end;
}

/** How much of what stands in an arena a program begins with. */
export function reusedOf(
  encoded: EncodedPrefix,
  calls: readonly Call[],
  prefix: SharedPrefix | undefined,
): Reused {
  if (prefix !== undefined && prefix === encoded.prefix && encoded.count >= prefix.calls.length) {
    return { count: prefix.calls.length, operations: prefix.operations };
  }
  let [count, operations] = [0, 0];
  for (const call of encoded.calls) {
    if (count === encoded.count || call !== calls[count]) break;
    operations += operationsOf(call);
    count++;
  }
  return { count, operations };
}

/** Whether a call is laid out alike whatever comes after it. */
export function isReusable({ args, jumps, into }: Call): boolean {
  return jumps === undefined && into === undefined && args.every(isConstant);
}

/** Whether an argument is the same in each program that has it at this place. */
function isConstant(arg: Arg): boolean {
  return typeof arg !== "object" || "value" in arg || "text" in arg || "texts" in arg ||
    "bytes" in arg || "words" in arg || "zeros" in arg || "byArch" in arg;
}
