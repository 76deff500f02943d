/**
 * Lowering of the pid file. The daemon itself opens, locks and writes it, so that the lock is its
 * own: POSIX record locks are not inherited, but they survive exec.
 *
 * A lock on a file is worth nothing if the name leads to another file by now, because somebody
 * removed it between open and lock. So both are compared after locking, and the whole is done
 * again if they differ. The interpreter can only tell signs apart; two tricks make it compare:
 *
 * - futex(2) FUTEX_CMP_REQUEUE with nobody to wake returns 0 if a word in memory has the value in
 *   its sixth argument, and -EAGAIN if not;
 * - bytes written to a pipe and read back *into* that argument turn memory into an argument.
 *
 * And the pid in decimal is what readlink(2) finds in /proc/self.
 *
 * @module
 */

import { type Call, call, type Cell, FAILED, text } from "./call.ts";
import { AT_FDCWD, O } from "./kernel.ts";

const F_GETLK = 5;
const F_SETLK = 6;
const F_WRLCK = 1;
const FUTEX_CMP_REQUEUE_PRIVATE = 4 | 128;

/** How often a file is opened anew that was replaced while it was being locked. */
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

const OPENED = "pid file: opened";
const NAMED = "pid file: named";
const DIGITS = "pid file: digits";
const WRITE = "pid file: write";
const UMASK = "pid file: umask";
const PIPE = "pid file: pipe";
const IGNORED = "pid file: ignored";

/** struct stat is 144 bytes at most; st_dev and st_ino are its first two words everywhere. */
const STAT = 144;

/** Four halves of two words: what identifies a file. */
const HALVES = [0, 4, 8, 12];

/** The cells that the calls use. */
export const PIDFILE_CELLS: readonly Cell[] = [
  { name: HOLDER, size: 32 },
  { name: OPENED, size: STAT },
  { name: NAMED, size: STAT },
  { name: DIGITS, size: 16 },
  { name: PIPE, size: 8 },
  { name: IGNORED, size: 8 },
];

/** The descriptor that the daemon has of its pid file. */
export function pidFileFd(free: readonly number[]): number {
  return free[2] ?? 5;
}

/**
 * The calls. Numbers of new descriptors are known beforehand: nobody else opens any in the child,
 * so they are the lowest that are free.
 */
export function lowerPidFile(path: string, free: readonly number[]): Call[] {
  const [reader = 3, writer = 4] = free;
  const fd = pidFileFd(free);
  const step = "pidFile";
  const lock = (name: string, attempt: number) => `${name} ${attempt}`;
  const attempts: Call[] = [];
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const again = lock("pid file: again", attempt);
    const calls: Call[] = [
      {
        ...call(step, "openat", [AT_FDCWD, { text: path }, O.RDWR | O.CREAT, 0o644], [
          "AT_FDCWD",
          text(path),
          "O_RDWR|O_CREAT",
          "0644",
        ]),
        path,
        label: lock("pid file: open", attempt),
      },
      {
        ...call(step, "fcntl", [fd, F_SETLK, { bytes: LOCK }], [
          String(fd),
          "F_SETLK",
          "{l_type=F_WRLCK, l_whence=SEEK_SET, l_start=0, l_len=1}",
        ]),
        path,
        label: lock(LOCKED, attempt),
        jumps: { error: "pid file: who" },
      },
      {
        ...call(step, "fstat", [fd, { cell: OPENED }], [String(fd), "…"]),
        path,
      },
      {
        ...call(step, "newfstatat", [AT_FDCWD, { text: path }, { cell: NAMED }, 0], [
          "AT_FDCWD",
          text(path),
          "…",
          "0",
        ]),
        path,
        jumps: { error: again },
        note: "does the name still lead there?",
      },
      ...compare(step, reader, writer, attempt, again),
      {
        ...call(step, "close", [fd], [String(fd)]),
        label: again,
        note: `no: open it anew, ${ATTEMPTS} times at most`,
      },
    ];
    attempts.push(...calls.map((each) => attempt === 0 ? each : { ...each, repeats: true }));
  }
  return [
    call(step, "pipe2", [{ cell: PIPE }, O.CLOEXEC], ["…", "O_CLOEXEC"]),
    {
      ...call(step, "umask", [0], ["0000"]),
      into: { call: UMASK, argument: 0 },
      note: "others shall read the pid, whatever the daemon's own files are to be",
    },
    ...attempts,
    {
      ...call(step, "close", [-1], ["-1"]),
      path,
      meaning: "the file was replaced again and again while it was being locked",
      jumps: { zero: FAILED, positive: FAILED },
    },
    {
      // It fills in who holds the lock; then the program has failed with what F_SETLK said.
      ...call(step, "fcntl", [fd, F_GETLK, { cell: HOLDER }], [String(fd), "F_GETLK", "…"]),
      path,
      label: "pid file: who",
      into: { cell: IGNORED },
      jumps: { zero: FAILED, positive: FAILED },
      note: "if another process has the lock: whose is it?",
    },
    {
      ...call(step, "close", [reader], [String(reader)]),
      label: "pid file: ours",
    },
    { ...call(step, "umask", [0], ["…"]), label: UMASK, note: "as it was" },
    call(step, "close", [writer], [String(writer)]),
    { ...call(step, "ftruncate", [fd, 0], [String(fd), "0"]), path },
    // Twice: a failure is read from the last result, which the second one does not leave.
    { ...ownPid(step), note: "its own pid in decimal" },
    { ...ownPid(step), into: { call: WRITE, argument: 2 } },
    {
      ...call(step, "write", [fd, { cell: DIGITS }, 0], [String(fd), "…", "…"]),
      path,
      label: WRITE,
    },
  ];
}

function ownPid(step: "pidFile"): Call {
  const args = [AT_FDCWD, { text: "/proc/self" }, { cell: DIGITS }, 16];
  const shown = ["AT_FDCWD", '"/proc/self"', "…", "16"];
  return { ...call(step, "readlinkat", args, shown), path: "/proc/self" };
}

/** Goes to `again` unless the two stat cells name the same file, else to "pid file: ours". */
function compare(
  step: "pidFile",
  reader: number,
  writer: number,
  attempt: number,
  again: string,
): Call[] {
  const label = (half: number) => `pid file: compare ${attempt} ${half}`;
  const futex = (half: number): Call => ({
    ...call(step, "futex", [
      { cell: OPENED, offset: half },
      FUTEX_CMP_REQUEUE_PRIVATE,
      0,
      0,
      { cell: OPENED, offset: half },
      0,
    ], ["…", "FUTEX_CMP_REQUEUE_PRIVATE", "0", "0", "…", "…"]),
    label: label(half),
    jumps: { error: again, ...(half === 12 ? { zero: "pid file: ours" } : {}) },
    note: `the same ${half < 8 ? "st_dev" : "st_ino"}?`,
  });
  return [
    call(step, "write", [writer, { cell: NAMED }, 16], [String(writer), "…", "16"]),
    ...HALVES.map((half) =>
      call(step, "read", [reader, { call: label(half), argument: 5 }, 4], [
        String(reader),
        "…",
        "4",
      ])
    ),
    ...HALVES.map(futex),
  ];
}
