/**
 * What the engine needs of a runtime's foreign function interface: a few functions of libc and a
 * view of raw memory. Each runtime folder makes one; everything else on Linux is built on it.
 *
 * @module
 */

import type { Word } from "../child_program/word.ts";

/** The functions of libc that a runtime calls through FFI. */
export interface Libc {
  /** syscall(2), with the kernel's own convention: the result, or the negative errno. */
  syscall(number: number, ...args: Word[]): number;
  /**
   * Calls the function at an address with a pointer. Not every runtime can do that by itself, but
   * bsearch(3) can: it calls the function to compare what it looks for with the only element.
   */
  invoke(address: Word, argument: Word): void;
  /** The runtime's variables as environ(7). */
  environ(): Word;
  /** Whether that is libc's own, which other threads may change; else it stays until the next call. */
  readonly sharesEnviron: boolean;
  /** getauxval(3). */
  getauxval(type: number): number;
  /** getpwnam_r(3): an errno; the entry is there if what `result` points to is not null. */
  getpwnam_r(name: Word, entry: Word, strings: Word, size: number, result: Word): number;
  /** getpwuid_r(3). */
  getpwuid_r(uid: number, entry: Word, strings: Word, size: number, result: Word): number;
  /** getgrouplist(3): -1 if the array is too small. */
  getgrouplist(name: Word, gid: number, groups: Word, count: Word): number;
  /**
   * Memory that the runtime frees with this thread, and does not move. Only where a thread may end
   * before its process does.
   */
  memory?(length: number): { readonly address: Word; readonly buffer: ArrayBuffer };
  /** Memory at an address, as it is, not a copy. */
  view(address: Word, length: number): ArrayBuffer;
}
