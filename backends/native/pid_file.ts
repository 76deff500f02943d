/**
 * Pid files in the parent: they are removed after a daemon that failed.
 *
 * @module
 */

import type { Kernel } from "./kernel.ts";
import { AT_FDCWD, AT_SYMLINK_NOFOLLOW, F, O, S_IFMT, S_IFREG } from "../../core/tables/kernel.ts";
import { HOLDER_AT, LOCK } from "../child_program/pid_file_cells.ts";
import { decodeUtf8 } from "../../core/utf8.ts";

/**
 * Removes a pid file whose daemon `pid` did not come to exec. Only while the lock is held, and if the
 * file has that pid: else another process has taken it over meanwhile.
 */
export function discardPidFile(kernel: Kernel, path: string, pid: number): void {
  discard(kernel, path, pid, [String(pid)]);
}

/** Removes a pid file that a daemon has created, and did not come to lock or to write. */
export function discardUnfinished(kernel: Kernel, path: string, pid: number): void {
  discard(kernel, path, pid, ["", String(pid)]);
}

/** What identifies a file. */
interface Identity {
  readonly dev: bigint;
  readonly ino: bigint;
}

/**
 * The path may lead to another file by now. What cannot be opened or removed stays: the failure of
 * the start is reported, not this one.
 */
function discard(kernel: Kernel, path: string, pid: number, contents: readonly string[]): void {
  const flags = O.RDWR | O.CLOEXEC | O.NONBLOCK | O.NOCTTY | kernel.arch.noFollow;
  const fd = kernel.raw("openat", AT_FDCWD, kernel.path(path), flags, 0);
  if (fd < 0) return;
  try {
    const opened = identityOf(kernel, kernel.raw("fstat", fd, kernel.scratch), 0);
    if (opened === undefined || !takeLock(kernel, fd, pid)) return;
    const found = kernel.readInto(fd);
    if (typeof found === "number") return;
    if (!contents.includes(decodeUtf8(found.slice()))) return;
    const named = identityAt(kernel, path);
    if (named === undefined || named.dev !== opened.dev || named.ino !== opened.ino) return;
    kernel.raw("unlinkat", AT_FDCWD, kernel.path(path), 0);
  } finally {
    kernel.close(fd);
  }
}

/** How often the lock is tried to be taken, a millisecond apart. */
const LOCK_ATTEMPTS = 100;

/** Where in the scratch memory struct stat goes, behind the path. */
const STAT_AT = 32 * 1024;

function identityAt(kernel: Kernel, path: string): Identity | undefined {
  const stat = kernel.scratch + STAT_AT;
  const address = kernel.path(path);
  const result = kernel.raw("newfstatat", AT_FDCWD, address, stat, AT_SYMLINK_NOFOLLOW);
  return identityOf(kernel, result, STAT_AT);
}

/** The identity of a regular file with one name that belongs to us or to root; else undefined. */
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
 * Takes the lock, retrying while the dying daemon holds it: its pipe closes before its locks are
 * released.
 */
function takeLock(kernel: Kernel, fd: number, dying: number): boolean {
  for (let attempt = 0; attempt < LOCK_ATTEMPTS; attempt++) {
    kernel.bytes.set(LOCK);
    if (kernel.raw("fcntl", fd, F.SETLK, kernel.scratch) >= 0) return true;
    if (kernel.raw("fcntl", fd, F.GETLK, kernel.scratch) < 0) return false;
    const holder = kernel.view.getInt32(HOLDER_AT, true);
    if (holder !== 0 && holder !== dying) return false;
    kernel.sleep(1);
  }
  return false;
}
