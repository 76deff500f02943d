/**
 * Tidying up after a daemon that failed, without locks of our own.
 *
 * @module
 */

import {
  type BigIntStats,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readFileSync,
  unlinkSync,
} from "node:fs";
import { process } from "../process.ts";
import { closeFd, textOfFile } from "../posix/files.ts";
import { codeOf } from "../../core/error_code.ts";

/**
 * Removes a pid file whose daemon `pid` did not come to exec: only while the dead pid stands in it.
 * Somebody who takes the file over writes another one.
 */
export function discardPidFile(path: string, pid: number): void {
  discard(path, pid, [String(pid)]);
}

/** Removes a pid file that a daemon has made, and did not come to lock or to write. */
export function discardUnfinished(path: string, pid: number): void {
  discard(path, pid, ["", String(pid)]);
}

/**
 * The name may lead to anything by now. What cannot be opened or removed stays: it is the start
 * that has failed, and that is what is reported.
 */
function discard(path: string, pid: number, contents: readonly string[]): void {
  const { O_RDWR, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY } = constants;
  let fd: number;
  try {
    fd = openSync(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  } catch {
    return;
  }
  try {
    const opened = fstatSync(fd, { bigint: true });
    if (!mayBeOurs(opened) || isLocked(opened.ino, pid)) return;
    if (!contents.includes(readFileSync(fd, "utf8"))) return;
    const named = lstatSync(path, { bigint: true });
    if (named.dev === opened.dev && named.ino === opened.ino) unlinkSync(path);
  } catch (error) {
    // Somebody else was quicker, or it is not ours to remove.
    if (typeof codeOf(error) !== "string") throw error;
  } finally {
    closeFd(fd);
  }
}

/** A regular file without another name that belongs to us or to root. */
function mayBeOurs(stat: BigIntStats): boolean {
  const { nlink, uid } = stat;
  return stat.isFile() && nlink === 1n && (uid === 0n || uid === BigInt(process.geteuid?.() ?? -1));
}

/** Whether another process than the dying one has a lock on a file, see proc_locks(5). */
function isLocked(ino: bigint, dying: number): boolean {
  const locks = textOfFile("/proc/locks");
  // Unknown: then it is left alone.
  if (locks === undefined) return true;
  return locks.split("\n").some((line) => {
    const [, , , , pid, file] = line.trim().split(/\s+/);
    return file?.split(":")[2] === String(ino) && Number(pid) !== dying;
  });
}
