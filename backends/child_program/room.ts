/**
 * Memory that a program is laid out in.
 *
 * @module
 */

import type { Call, SharedPrefix } from "./call.ts";
import type { Word } from "./word.ts";

/** A program as it stands in an arena. */
export interface EncodedPrefix {
  readonly calls: readonly Call[];
  readonly prefix: SharedPrefix | undefined;
  /** How many of them, from the first one on, stand as they would in any program. */
  readonly count: number;
  /** Where its operations begin and end. */
  readonly beginning: number;
  readonly end: number;
  /** How far the data of each call reaches. */
  readonly reach: readonly number[];
}

/** One child's memory. */
export interface Arena {
  readonly address: Word;
  readonly size: number;
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  /** What the last program has left, of which the next one need not lay out again what it shares. */
  encodedPrefix?: EncodedPrefix | undefined;
}
