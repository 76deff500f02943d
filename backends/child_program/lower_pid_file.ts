/**
 * Lowering of the pid file. The daemon itself opens, locks and writes it, so that the lock is its
 * own: POSIX record locks are not inherited, but they survive exec.
 *
 * The folder may belong to somebody with fewer rights, who can put anything into the file's place:
 * a link to a file that only we may write to, or a FIFO that never answers. So links are not
 * followed, opening waits for nobody, and only a regular file with no other name that belongs to us
 * or to root is written to.
 *
 * A lock on a file is worth nothing if the name leads to another file by now, because somebody
 * removed it between open and lock. So both are compared after locking, and the whole is done
 * again if they differ. The interpreter can only tell signs apart; these tricks make it compare:
 *
 * - futex(2) FUTEX_CMP_REQUEUE with nobody to wake returns 0 if a word in memory has the value in
 *   its sixth argument, and -EAGAIN if not;
 * - futex(2) FUTEX_WAKE_OP with nobody to wake only changes a word, and so can clear bits in it;
 * - bytes written to a pipe and read back *into* that argument turn memory into an argument.
 *
 * And the pid in decimal is what readlink(2) finds in /proc/self.
 *
 * @module
 */

import type { Arch } from "./arch.ts";
import { type Arg, type Call, call, type Cell, FAILED, type StatField, text } from "./call.ts";
import {
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  E,
  FUTEX_CMP_REQUEUE_PRIVATE,
  O,
  S_IFREG,
} from "../../core/tables/kernel.ts";

const F_GETLK = 5;
const F_SETLK = 6;
const F_WRLCK = 1;
const FUTEX_WAKE_OP_PRIVATE = 5 | 128;
const SIG_BLOCK = 0;

/** sigset_t with SIGXFSZ, 25. */
const FILE_SIZE_SIGNAL = 1n << 24n;

const SEEK_CUR = 1;

/** How often a file is opened again that was replaced while it was being locked. */
const ATTEMPTS = 4;

/** struct flock { short type, whence; off_t start, len; pid_t pid }: byte 0, from the start. */
export const LOCK: Uint8Array<ArrayBuffer> = new Uint8Array(32);
new DataView(LOCK.buffer).setInt16(0, F_WRLCK, true);
new DataView(LOCK.buffer).setBigInt64(16, 1n, true);

/** Where struct flock has the pid of the holder. */
export const HOLDER_AT = 24;

/** Where the holder of a lock is noted, and the label of the call that met it. */
export const HOLDER = "pid file: holder";
export const LOCKED = "pid file: lock";

/** The label of the calls that open an existing file, and report why that cannot be done. */
export const OPEN = "pid file: open";

/** Where the number of the descriptor is noted if the file was not there before; else an errno. */
export const CREATED = "pid file: created";

/** struct stat of the file that was opened. */
export const OPENED = "pid file: opened";

/** The labels of the calls that a file ends at which is not written to. */
export const IRREGULAR = "pid file: irregular";
export const LINKED = "pid file: linked";
export const FOREIGN = "pid file: foreign";

const NAMED = "pid file: named";
const DIGITS = "pid file: digits";
const WRITE = "pid file: write";
const UMASK = "pid file: umask";
const PIPE = "pid file: pipe";
const OURS = "pid file: ours";
const WHO = "pid file: who";
const WHOLE = "pid file: whole";
const DONE = "pid file: done";
const REMOVE = "pid file: remove";

/** struct stat is 144 bytes at most; st_dev and st_ino are its first two words everywhere. */
const STAT = 144;

/** Four halves of two words: what identifies a file. */
const HALVES = [0, 4, 8, 12];

/** The cells that the calls use. */
export const PIDFILE_CELLS: readonly Cell[] = [
  { name: HOLDER, size: 32 },
  { name: CREATED, size: 8 },
  { name: OPENED, size: STAT },
  { name: NAMED, size: STAT },
  { name: DIGITS, size: 16 },
  { name: PIPE, size: 8 },
];

/** The descriptor that the daemon has of its pid file. */
export function pidFileFd(free: readonly number[]): number {
  return freeNumber(free, 2);
}

/**
 * One of the numbers that a child has free. Numbers of new descriptors are known beforehand: nobody
 * else opens any in the child, so they are the lowest that are free.
 */
export function freeNumber(free: readonly number[], index: number): number {
  const fd = free[index];
  if (fd === undefined) throw new Error(`a layout with fewer than ${index + 1} free numbers`);
  return fd;
}

/** The calls. */
export function lowerPidFile(path: string, free: readonly number[]): Call[] {
  const [reader, writer] = [freeNumber(free, 0), freeNumber(free, 1)];
  const fd = pidFileFd(free);
  const attempts: Call[] = [];
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const calls = lowerAttempt({ path, reader, writer, fd, attempt });
    attempts.push(...calls.map((each) => attempt === 0 ? each : { ...each, repeats: true }));
  }
  const written = [
    { ...step("ftruncate", [fd, 0], [String(fd), "0"]), path },
    { ...ownPid(), into: { call: WRITE, argument: 2 }, note: "its own pid in decimal" },
    {
      ...step("write", [fd, { cell: DIGITS }, 0], [String(fd), "…", "…"]),
      path,
      label: WRITE,
    },
    {
      ...step("lseek", [fd, 0, SEEK_CUR], [String(fd), "0", "SEEK_CUR"]),
      path,
      into: { call: WHOLE, argument: 5 },
      note: "how much of it fits?",
    },
  ];
  return [
    {
      ...step("rt_sigprocmask", [SIG_BLOCK, { words: [FILE_SIZE_SIGNAL] }, 0, 8], [
        "SIG_BLOCK",
        "[XFSZ]",
        "NULL",
        "8",
      ]),
      note: "a file that may not grow is an error, not the end; until everything is unblocked",
    },
    step("pipe2", [{ cell: PIPE }, O.CLOEXEC], ["…", "O_CLOEXEC"]),
    {
      ...step("umask", [0], ["0000"]),
      into: { call: UMASK, argument: 0 },
      note: "others shall read the pid, whatever the daemon's own files are to be",
    },
    ...attempts,
    {
      ...step("close", [-1], ["-1"]),
      path,
      hint: "the file was replaced again and again while it was being locked",
      jumps: { zero: FAILED, positive: FAILED },
    },
    ...verdicts(path, fd),
    {
      // It fills in who holds the lock; then the program has failed with what F_SETLK said.
      ...step("fcntl", [fd, F_GETLK, { cell: HOLDER }], [String(fd), "F_GETLK", "…"]),
      path,
      label: WHO,
      unrecorded: true,
      jumps: { zero: FAILED, positive: FAILED },
      note: "if another process has the lock: whose is it?",
    },
    { ...step("close", [reader], [String(reader)]), label: OURS },
    { ...step("umask", [0], ["…"]), label: UMASK, note: "as it was" },
    step("close", [writer], [String(writer)]),
    ...removedUnlessDone(written, path, fd),
  ];
}

/** Opens, examines and locks the file, and compares it with what the name leads to then. */
function lowerAttempt(
  { path, reader, writer, fd, attempt }: {
    readonly path: string;
    readonly reader: number;
    readonly writer: number;
    readonly fd: number;
    readonly attempt: number;
  },
): Call[] {
  const named = (label: string) => `${label} ${attempt}`;
  const again = named("pid file: again");
  return [
    {
      ...open(path, O.CREAT | O.EXCL, "|O_CREAT|O_EXCL"),
      into: { cell: CREATED },
      jumps: { error: named("pid file: existing"), zero: named(OPENED), positive: named(OPENED) },
      note: "only a file that was not there before is removed if anything fails",
    },
    {
      // Without O_CREAT: fs.protected_regular would refuse what is to be examined first.
      ...open(path, 0, ""),
      label: named("pid file: existing"),
      jumps: { error: named(OPEN), zero: named(OPENED), positive: named(OPENED) },
    },
    { ...open(path, O.CREAT, "|O_CREAT"), label: named(OPEN), note: "what is the matter?" },
    {
      ...step("fstat", [fd, { cell: OPENED }], [String(fd), "…"]),
      path,
      label: named(OPENED),
    },
    ...examine(named, again),
    {
      ...step("fcntl", [fd, F_SETLK, { bytes: LOCK }], [
        String(fd),
        "F_SETLK",
        "{l_type=F_WRLCK, l_whence=SEEK_SET, l_start=0, l_len=1}",
      ]),
      path,
      label: named(LOCKED),
      jumps: { error: WHO },
    },
    {
      ...step(
        "newfstatat",
        [AT_FDCWD, { text: path }, { cell: NAMED }, AT_SYMLINK_NOFOLLOW],
        ["AT_FDCWD", text(path), "…", "AT_SYMLINK_NOFOLLOW"],
      ),
      path,
      jumps: { error: again },
      note: "does the name still lead there?",
    },
    ...compare(reader, writer, named, again),
    {
      ...step("close", [fd], [String(fd)]),
      label: again,
      note: `no: open it again, ${ATTEMPTS} times at most`,
    },
  ];
}

/** O_NONBLOCK: opening a FIFO or a device waits for nobody, and a regular file does not mind. */
function open(path: string, more: number, display: string): Call {
  const flags = O.RDWR | O.NONBLOCK | O.NOCTTY | more;
  const args: readonly Arg[] = [
    AT_FDCWD,
    { text: path },
    { byArch: ({ noFollow }: Arch) => flags | noFollow },
    0o644,
  ];
  const names = `O_RDWR|O_NONBLOCK|O_NOCTTY|O_NOFOLLOW${display}`;
  return { ...step("openat", args, ["AT_FDCWD", text(path), names, "0644"]), path };
}

/** Goes on if the file is a regular one, without another name, and belongs to us or to root. */
function examine(named: (label: string) => string, again: string): Call[] {
  const mode = { cell: OPENED, offset: "mode" } as const;
  const [unnamed, owner, ours] = ["unnamed", "owner", "ours?"]
    .map((each) => named(`pid file: ${each}`)) as [string, string, string];
  // FUTEX_OP: the operation, FUTEX_OP_ANDN, and its operand, of 11 bits; or 1 shifted by it.
  const [ANDN, SHIFT, OPERAND] = [3, 8, 12];
  const PERMISSIONS = 0x7ff;
  const clear = (operation: number, operand: number, display: string): Call =>
    step("futex", [
      mode,
      FUTEX_WAKE_OP_PRIVATE,
      0,
      0,
      mode,
      operation * 2 ** 28 + operand * 2 ** OPERAND,
    ], ["…", "FUTEX_WAKE_OP_PRIVATE", "0", "0", "…", display]);
  return [
    { ...clear(ANDN, PERMISSIONS, "FUTEX_OP(ANDN, 03777)"), note: "st_mode without permissions …" },
    { ...clear(ANDN + SHIFT, 11, "FUTEX_OP(ANDN, 1 << 11)"), note: "… which are twelve bits" },
    {
      ...equals("mode", S_IFREG, "S_IFREG"),
      jumps: { error: IRREGULAR },
      note: "a regular file?",
    },
    {
      ...equals("nlink", 1, "1"),
      jumps: { zero: owner, error: unnamed },
      note: "no other name of it?",
    },
    {
      ...equals("nlink", 0, "0"),
      label: unnamed,
      jumps: { zero: again, error: LINKED },
      note: "or was it just removed?",
    },
    {
      ...step("geteuid", [], []),
      label: owner,
      into: { call: ours, argument: 5 },
      note: "whose is it? ours …",
    },
    {
      ...equals("uid", 0, "…"),
      label: ours,
      jumps: { zero: named(LOCKED), error: named("pid file: root's") },
    },
    {
      ...equals("uid", 0, "0"),
      label: named("pid file: root's"),
      jumps: { error: FOREIGN },
      note: "… or root's?",
    },
  ];
}

/** Zero if a field of the opened file has a value. */
function equals(offset: StatField, value: number, display: string): Call {
  const field = { cell: OPENED, offset } as const;
  return step("futex", [field, FUTEX_CMP_REQUEUE_PRIVATE, 0, 0, field, value], [
    `st_${offset}`,
    "FUTEX_CMP_REQUEUE_PRIVATE",
    "0",
    "0",
    "…",
    display,
  ]);
}

/** What a file that is not written to ends at: calls that fail, each with an errno of its own. */
function verdicts(path: string, fd: number): Call[] {
  const refuse = (label: string, errno: number): Call => ({
    ...step("fstat", [-1, { cell: NAMED }], [String(fd), "…"]),
    path,
    label,
    errno,
    repeats: true,
    jumps: { zero: FAILED, positive: FAILED },
  });
  return [refuse(IRREGULAR, E.EINVAL), refuse(LINKED, E.EMLINK), refuse(FOREIGN, E.EPERM)];
}

/**
 * Removes the file if one of the calls fails, or if only a part of the pid fits: while it is locked,
 * it is nobody else's.
 */
function removedUnlessDone(written: readonly Call[], path: string, fd: number): Call[] {
  const length = { call: WRITE, argument: 2 } as const;
  // What is too long for the limit or the disk is written in part at first, see write(2).
  const rest: Call = {
    ...step("write", [fd, { cell: DIGITS }, 1], [String(fd), "…", "1"]),
    path,
    label: "pid file: rest",
    note: "if not all of it, why?",
    repeats: true,
  };
  const part: Call = {
    ...step("write", [-1, { cell: DIGITS }, 1], [String(fd), "…", "1"]),
    path,
    errno: E.ENOSPC,
    repeats: true,
  };
  const failing = [...written, rest, part]
    .map((each): Call => ({ ...each, jumps: { error: REMOVE } }));
  return [
    ...failing.slice(0, written.length),
    {
      ...step("futex", [length, FUTEX_CMP_REQUEUE_PRIVATE, 0, 0, length, 0], [
        "…",
        "FUTEX_CMP_REQUEUE_PRIVATE",
        "0",
        "0",
        "…",
        "…",
      ]),
      label: WHOLE,
      jumps: { zero: DONE, error: "pid file: rest" },
      note: "all of it?",
    },
    ...failing.slice(written.length),
    {
      ...step("unlinkat", [AT_FDCWD, { text: path }, 0], ["AT_FDCWD", text(path), "0"]),
      path,
      label: REMOVE,
      unrecorded: true,
      jumps: { zero: FAILED, positive: FAILED },
      note: "if that failed: no empty file is left",
    },
    { ...step("getpid", [], []), label: DONE, repeats: true },
  ];
}

function ownPid(): Call {
  const args = [AT_FDCWD, { text: "/proc/self" }, { cell: DIGITS }, 16];
  const display = ["AT_FDCWD", '"/proc/self"', "…", "16"];
  return { ...step("readlinkat", args, display), path: "/proc/self" };
}

/** Goes to `again` unless the two stat cells name the same file, else to {@linkcode OURS}. */
function compare(
  reader: number,
  writer: number,
  named: (label: string) => string,
  again: string,
): Call[] {
  const label = (half: number) => `${named("pid file: compare")} ${half}`;
  const futex = (half: number): Call => ({
    ...step("futex", [
      { cell: OPENED, offset: half },
      FUTEX_CMP_REQUEUE_PRIVATE,
      0,
      0,
      { cell: OPENED, offset: half },
      0,
    ], ["…", "FUTEX_CMP_REQUEUE_PRIVATE", "0", "0", "…", "…"]),
    label: label(half),
    jumps: { error: again, ...(half === 12 ? { zero: OURS } : {}) },
    note: `the same ${half < 8 ? "st_dev" : "st_ino"}?`,
  });
  return [
    step("write", [writer, { cell: NAMED }, 16], [String(writer), "…", "16"]),
    ...HALVES.map((half) =>
      step("read", [reader, { call: label(half), argument: 5 }, 4], [String(reader), "…", "4"])
    ),
    ...HALVES.map(futex),
  ];
}

function step(name: Call["name"], args: readonly Arg[], display: readonly string[]): Call {
  return call("pidFile", name, args, display);
}
