/**
 * Removal of the pid file of a daemon that failed. Without FFI this process cannot lock the file.
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
 * Removes a pid file whose daemon `pid` did not reach its exec, if it still contains that pid. A
 * process that takes the file over writes its own.
 */
export function discardPidFile(path: string, pid: number): void {
  discard(path, pid, [String(pid)]);
}

/** Removes a pid file that a daemon has created, but may not have locked or written. */
export function discardUnfinished(path: string, pid: number): void {
  discard(path, pid, ["", String(pid)]);
}

/**
 * By now, the path may lead to any other file. A file that cannot be opened or removed stays: the
 * error to report is that of the start.
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
    if (!mayBelongToDaemon(opened) || isLocked(opened.ino, pid)) return;
    if (!contents.includes(readFileSync(fd, "utf8"))) return;
    const named = lstatSync(path, { bigint: true });
    if (named.dev === opened.dev && named.ino === opened.ino) unlinkSync(path);
  } catch (error) {
    // Another process has removed it already, or this one may not.
    if (typeof codeOf(error) !== "string") throw error;
  } finally {
    closeFd(fd);
  }
}

/** A regular file with a single name that belongs to this user or to root. */
function mayBelongToDaemon(stat: BigIntStats): boolean {
  const { nlink, uid } = stat;
  return stat.isFile() && nlink === 1n && (uid === 0n || uid === BigInt(process.geteuid?.() ?? -1));
}

/** Whether a process other than `dying` has a lock on a file, see proc_locks(5). */
function isLocked(ino: bigint, dying: number): boolean {
  const locks = textOfFile("/proc/locks");
  // The file stays if this cannot be known.
  if (locks === undefined) return true;
  return locks.split("\n").some((line) => {
    const [, , , , pid, file] = line.trim().split(/\s+/);
    return file?.split(":")[2] === String(ino) && Number(pid) !== dying;
  });
}
