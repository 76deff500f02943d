/**
 * Memory that a program is laid out in.
 *
 * @module
 */

import type { EncodedPrefix } from "./encoded_prefix.ts";
import type { Word } from "./word.ts";

/** One child's memory. */
export interface Arena {
  readonly address: Word;
  readonly size: number;
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  /** What the last program has left. */
  encodedPrefix?: EncodedPrefix | undefined;
}
