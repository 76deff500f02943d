/**
 * Pid files, seen from the parent: why one was refused, and tidying up after a daemon that failed.
 *
 * @module
 */

import type { Kernel } from "./kernel.ts";
import { AT_FDCWD, AT_SYMLINK_NOFOLLOW, O, S_IFMT, S_IFREG } from "../../core/tables/kernel.ts";
import { HOLDER_AT, LOCK } from "../child_program/lower_pid_file.ts";

const F_GETLK = 5;
const F_SETLK = 6;

/**
 * Removes a pid file whose daemon `pid` did not come to exec. Only with the lock in hand and the
 * dead pid in the file: else somebody else has taken it over meanwhile.
 */
export function discardPidFile(kernel: Kernel, path: string, pid: number): void {
  discard(kernel, path, pid, [String(pid)]);
}

/** Removes a pid file that a daemon has made, and did not come to lock or to write. */
export function discardUnfinished(kernel: Kernel, path: string, pid: number): void {
  discard(kernel, path, pid, ["", String(pid)]);
}

/** What identifies a file. */
interface Identity {
  readonly dev: bigint;
  readonly ino: bigint;
}

/**
 * The name may lead to anything by now. What cannot be opened or removed stays: it is the start
 * that has failed, and that is what is reported.
 */
function discard(kernel: Kernel, path: string, pid: number, contents: readonly string[]): void {
  const flags = O.RDWR | O.CLOEXEC | O.NONBLOCK | O.NOCTTY | kernel.arch.noFollow;
  const fd = kernel.raw("openat", AT_FDCWD, kernel.path(path), flags, 0);
  if (fd < 0) return;
  try {
    const opened = identityOf(kernel, kernel.raw("fstat", fd, kernel.scratch), 0);
    if (opened === undefined || !lockOf(kernel, fd, pid)) return;
    const found = kernel.readInto(fd);
    if (typeof found === "number") return;
    if (!contents.includes(new TextDecoder().decode(found.slice()))) return;
    const named = identityAt(kernel, path);
    if (named === undefined || named.dev !== opened.dev || named.ino !== opened.ino) return;
    kernel.raw("unlinkat", AT_FDCWD, kernel.path(path), 0);
  } finally {
    kernel.close(fd);
  }
}

/** Where in the scratch memory struct stat goes, behind the path. */
const STAT_AT = 32 * 1024;

function identityAt(kernel: Kernel, path: string): Identity | undefined {
  const stat = kernel.scratch + STAT_AT;
  const address = kernel.path(path);
  const result = kernel.raw("newfstatat", AT_FDCWD, address, stat, AT_SYMLINK_NOFOLLOW);
  return identityOf(kernel, result, STAT_AT);
}

/** Of a regular file without another name that belongs to us or to root; else undefined. */
function identityOf(kernel: Kernel, result: number, at: number): Identity | undefined {
  if (result < 0) return undefined;
  const { view, arch: { stat } } = kernel;
  if ((view.getUint32(at + stat.mode, true) & S_IFMT) !== S_IFREG) return undefined;
  if (view.getUint32(at + stat.nlink, true) !== 1) return undefined;
  const identity = {
    dev: view.getBigUint64(at + stat.dev, true),
    ino: view.getBigUint64(at + stat.ino, true),
  };
  const uid = view.getUint32(at + stat.uid, true);
  return uid === 0 || uid === kernel.call("geteuid") ? identity : undefined;
}

/**
 * Locks a file that a process may still hold which is about to end: the end of its talking comes
 * before the end of its locks.
 */
function lockOf(kernel: Kernel, fd: number, dying: number): boolean {
  for (let attempt = 0; attempt < 100; attempt++) {
    kernel.bytes.set(LOCK);
    if (kernel.raw("fcntl", fd, F_SETLK, kernel.scratch) >= 0) return true;
    if (kernel.raw("fcntl", fd, F_GETLK, kernel.scratch) < 0) return false;
    const holder = kernel.view.getInt32(HOLDER_AT, true);
    if (holder !== 0 && holder !== dying) return false;
    kernel.sleep(1);
  }
  return false;
}
