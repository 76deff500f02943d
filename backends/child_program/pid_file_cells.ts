/**
 * The memory and the labels of the calls that make a pid file: what they share with one another, and
 * with the code that reads the notes of a program that has failed at one of them.
 *
 * @module
 */

import { F } from "../../core/tables/kernel.ts";
import type { Cell } from "./call.ts";

/** struct flock { short type, whence; off_t start, len; pid_t pid }: byte 0, from the start. */
export const LOCK: Uint8Array<ArrayBuffer> = new Uint8Array(32);
new DataView(LOCK.buffer).setInt16(0, F.WRLCK, true);
new DataView(LOCK.buffer).setBigInt64(16, 1n, true);

/** Where struct flock has the pid of the holder. */
export const HOLDER_AT = 24;

/** Cell: struct flock of the lock that another process holds. */
export const HOLDER = "pid file: holder";

/** Cell: the descriptor of the file if it did not exist before; else a negative errno. */
export const CREATED = "pid file: created";

/** Cell: struct stat of the file that was opened. */
export const OPENED = "pid file: opened";

/** Cell: struct stat of the file that the path leads to once the other is locked. */
export const FOUND = "pid file: found";

/** Cell: the pid in decimal. */
export const DIGITS = "pid file: digits";

/** Cell: both ends of a pipe. */
export const PIPE = "pid file: pipe";

/** struct stat is 144 bytes at most; st_dev and st_ino are its first two words everywhere. */
const STAT = 144;

/** The cells that the calls use. */
export const PIDFILE_CELLS: readonly Cell[] = [
  { name: HOLDER, size: LOCK.length },
  { name: CREATED, size: 8 },
  { name: OPENED, size: STAT },
  { name: FOUND, size: STAT },
  { name: DIGITS, size: 16 },
  { name: PIPE, size: 8 },
];

/** Label, one for each attempt: opens an existing file, and fails if that cannot be done. */
export const OPEN = "pid file: open";

/** Label, one for each attempt: examines the opened file. */
export const EXAMINE = "pid file: examine";

/** Label, one for each attempt: locks the file. */
export const SET_LOCK = "pid file: lock";

/** Label: another process holds the lock. */
export const FIND_HOLDER = "pid file: find holder";

/** Label: the file is locked, and the path leads to it. */
export const LOCKED = "pid file: locked";

/** Labels of the calls that fail because a file is not to be written to. */
export const IRREGULAR = "pid file: irregular";
export const LINKED = "pid file: linked";
export const FOREIGN = "pid file: foreign";
