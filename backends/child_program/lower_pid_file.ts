/**
 * Lowering of the pid file. The daemon itself opens, locks and writes it, so that the lock is its
 * own: POSIX record locks are not inherited, but they survive exec. lower_pid_file_lock.ts opens
 * and locks the file, and here the pid is written.
 *
 * A pid in decimal is what readlink(2) finds in /proc/self.
 *
 * @module
 */

import { E, F, O, SEEK_CUR, SIG } from "../../core/tables/kernel.ts";
import { signals } from "../../core/tables/signals.ts";
import { type Arg, arg, type Call, call, CURRENT_FOLDER, FAILED, NULL } from "./call.ts";
import { compareWord, EXPECTED } from "./compare.ts";
import { lowerLock, type PidFileParts } from "./lower_pid_file_lock.ts";
import { DIGITS, FIND_HOLDER, HOLDER, LOCKED, PIPE } from "./pid_file_cells.ts";

/** sigset_t with SIGXFSZ. */
const FILE_SIZE_SIGNAL: Arg = {
  words: [1n << BigInt(signals.SIGXFSZ - 1)],
  display: "[XFSZ]",
};

const WRITE = "pid file: write";
const UMASK = "pid file: umask";
const CHECK_LENGTH = "pid file: check length";
const WRITE_REST = "pid file: rest";
const WRITTEN = "pid file: written";
const REMOVE = "pid file: remove";

/** The descriptor that the daemon has of its pid file. */
export function pidFileFd(free: readonly number[]): number {
  return freeNumber(free, 2);
}

/**
 * One of the numbers that a child has free. Numbers of new descriptors are known beforehand: nothing
 * else opens any in the child, so they are the lowest that are free.
 */
export function freeNumber(free: readonly number[], index: number): number {
  const fd = free[index];
  if (fd === undefined) throw new Error(`a layout with fewer than ${index + 1} free numbers`);
  return fd;
}

/** The calls. */
export function lowerPidFile(path: string, free: readonly number[]): Call[] {
  const [reader, writer, fd] = [freeNumber(free, 0), freeNumber(free, 1), pidFileFd(free)];
  const parts = { path, reader, writer, fd };
  return [
    {
      ...call("pidFile", "rt_sigprocmask", [
        arg(SIG.BLOCK, "SIG_BLOCK"),
        FILE_SIZE_SIGNAL,
        NULL,
        8,
      ]),
      note: "a file that may not grow is an error, not the end; until everything is unblocked",
    },
    call("pidFile", "pipe2", [{ cell: PIPE }, arg(O.CLOEXEC, "O_CLOEXEC")]),
    {
      ...call("pidFile", "umask", [arg(0, "0000")]),
      into: { call: UMASK, argument: 0 },
      note: "others shall read the pid, whatever the daemon's own files are to be",
    },
    ...lowerLock(parts),
    {
      // It fills in the holder of the lock; then the program has failed with the errno of F_SETLK.
      ...call("pidFile", "fcntl", [fd, arg(F.GETLK, "F_GETLK"), { cell: HOLDER }]),
      path,
      label: FIND_HOLDER,
      unrecorded: true,
      jumps: { zero: FAILED, positive: FAILED },
      note: "if another process has the lock: whose is it?",
    },
    { ...call("pidFile", "close", [reader]), label: LOCKED },
    { ...call("pidFile", "umask", [arg(0, "…")]), label: UMASK, note: "as it was" },
    call("pidFile", "close", [writer]),
    ...writePid(parts),
  ];
}

/**
 * Writes the pid. The file is removed if one of the calls fails, or if only a part of the pid fits:
 * while it is locked, no other process uses it.
 */
function writePid({ path, fd }: PidFileParts): Call[] {
  const removing = (each: Call): Call => ({ ...each, jumps: { error: REMOVE } });
  return [
    ...writeDigits(path, fd).map(removing),
    {
      // The length of the write is the one that readlink(2) has filled in there.
      ...compareWord("pidFile", { call: WRITE, argument: 2 }, arg(0, "…")),
      label: CHECK_LENGTH,
      jumps: { zero: WRITTEN, error: WRITE_REST },
      note: "all of it?",
    },
    ...failAsWrite(path, fd).map(removing),
    {
      ...call("pidFile", "unlinkat", [CURRENT_FOLDER, { text: path }, 0]),
      path,
      label: REMOVE,
      unrecorded: true,
      jumps: { zero: FAILED, positive: FAILED },
      note: "if that failed: no empty file is left",
    },
    { ...call("pidFile", "getpid"), label: WRITTEN, repeats: true },
  ];
}

function writeDigits(path: string, fd: number): Call[] {
  return [
    { ...call("pidFile", "ftruncate", [fd, 0]), path },
    {
      ...call("pidFile", "readlinkat", [CURRENT_FOLDER, { text: "/proc/self" }, DIGITS_CELL, 16]),
      path: "/proc/self",
      into: { call: WRITE, argument: 2 },
      note: "its own pid in decimal",
    },
    { ...call("pidFile", "write", [fd, DIGITS_CELL, arg(0, "…")]), path, label: WRITE },
    {
      ...call("pidFile", "lseek", [fd, 0, arg(SEEK_CUR, "SEEK_CUR")]),
      path,
      into: { call: CHECK_LENGTH, argument: EXPECTED },
      note: "how much of it fits?",
    },
  ];
}

const DIGITS_CELL: Arg = { cell: DIGITS };

/**
 * What is too long for the limit or the disk is written in part at first, see write(2): writing one
 * byte more gives the errno. Should that succeed, the disk was full a moment ago.
 */
function failAsWrite(path: string, fd: number): Call[] {
  return [
    {
      ...call("pidFile", "write", [fd, DIGITS_CELL, 1]),
      path,
      label: WRITE_REST,
      note: "if not all of it, why?",
      repeats: true,
    },
    {
      ...call("pidFile", "write", [arg(-1, String(fd)), DIGITS_CELL, 1]),
      path,
      errno: E.ENOSPC,
      repeats: true,
    },
  ];
}
