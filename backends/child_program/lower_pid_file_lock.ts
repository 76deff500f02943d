/**
 * Lowering of the pid file, until it is locked: it is opened, examined, locked and compared.
 *
 * The folder may belong to a user with fewer rights, and that user may replace the file by anything:
 * a link to a file that only we may write to, or a FIFO whose opening blocks. So links are not
 * followed, opening never blocks, and only a regular file with no other name that belongs to us or
 * to root is written to.
 *
 * A lock protects nothing if the path leads to another file by now, because the locked one was removed
 * between open and lock. So both are compared after locking, and everything is done again
 * if they differ.
 *
 * Besides compare.ts, two tricks make up for an interpreter that cannot compute: futex(2)
 * FUTEX_WAKE_OP with no waiter clears bits of a word; and bytes that are written to a pipe and
 * read back into an argument of a call turn memory into an argument.
 *
 * @module
 */

import {
  AT_SYMLINK_NOFOLLOW,
  E,
  F,
  FUTEX_OP,
  FUTEX_WAKE_OP_PRIVATE,
  O,
  S_IFREG,
} from "../../core/tables/kernel.ts";
import { defined } from "../../core/own.ts";
import type { Arch } from "./arch.ts";
import { type Arg, arg, type Call, call, CURRENT_FOLDER, FAILED, type StatField } from "./call.ts";
import { compareWord, EXPECTED } from "./compare.ts";
import {
  CREATED,
  EXAMINE,
  FIND_HOLDER,
  FOREIGN,
  FOUND,
  IRREGULAR,
  LINKED,
  LOCK,
  LOCKED,
  OPEN,
  OPENED,
  SET_LOCK,
} from "./pid_file_cells.ts";

/** How often a file is opened that was replaced while it was being locked. */
const ATTEMPTS = 4;

/** st_dev and st_ino, which identify a file, as four words of 32 bits. */
const IDENTITY = [0, 4, 8, 12];

/** A path, and the descriptors that the calls work with. */
export interface PidFileParts {
  readonly path: string;
  /** The ends of a pipe. */
  readonly reader: number;
  readonly writer: number;
  /** What the file is opened as. */
  readonly fd: number;
}

/** The calls. They go on at {@linkcode LOCKED}, or at {@linkcode FIND_HOLDER}, or fail. */
export function lowerLock(parts: PidFileParts): Call[] {
  const attempts: Call[] = [];
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const calls = lowerAttempt(parts, (label) => `${label} ${attempt}`);
    attempts.push(...calls.map((each) => attempt === 0 ? each : { ...each, repeats: true }));
  }
  return [
    ...attempts,
    {
      ...call("pidFile", "close", [-1]),
      path: parts.path,
      hint: "the file was replaced again and again while it was being locked",
      jumps: { zero: FAILED, positive: FAILED },
    },
    ...refusals(parts),
  ];
}

/** One attempt; `named` makes its own labels. */
function lowerAttempt(parts: PidFileParts, named: (label: string) => string): Call[] {
  const { path, fd } = parts;
  const retry = named("pid file: retry");
  const existing = named("pid file: existing");
  const opened = { zero: named(EXAMINE), positive: named(EXAMINE) };
  const lock: Arg = {
    bytes: LOCK,
    display: "{l_type=F_WRLCK, l_whence=SEEK_SET, l_start=0, l_len=1}",
  };
  const noFollow = arg(AT_SYMLINK_NOFOLLOW, "AT_SYMLINK_NOFOLLOW");
  return [
    {
      ...open(path, O.CREAT | O.EXCL, "|O_CREAT|O_EXCL"),
      into: { cell: CREATED },
      jumps: { error: existing, ...opened },
      note: "only a file that was not there before is removed if anything fails",
    },
    {
      // Without O_CREAT: fs.protected_regular would refuse what is to be examined first.
      ...open(path, 0, ""),
      label: existing,
      jumps: { error: named(OPEN), ...opened },
    },
    { ...open(path, O.CREAT, "|O_CREAT"), label: named(OPEN), note: "what is the matter?" },
    {
      ...call("pidFile", "fstat", [fd, { cell: OPENED }]),
      path,
      label: named(EXAMINE),
    },
    ...examine(named, retry),
    {
      ...call("pidFile", "fcntl", [fd, arg(F.SETLK, "F_SETLK"), lock]),
      path,
      label: named(SET_LOCK),
      jumps: { error: FIND_HOLDER },
    },
    {
      ...call("pidFile", "newfstatat", [CURRENT_FOLDER, { text: path }, { cell: FOUND }, noFollow]),
      path,
      jumps: { error: retry },
      note: "does the name still lead there?",
    },
    ...compareIdentity(parts, named, retry),
    {
      ...call("pidFile", "close", [fd]),
      label: retry,
      note: `no: open it again, ${ATTEMPTS} times at most`,
    },
  ];
}

/** O_NONBLOCK: opening a FIFO or a device does not block; on a regular file it has no effect. */
function open(path: string, more: number, moreDisplay: string): Call {
  const flags = O.RDWR | O.NONBLOCK | O.NOCTTY | more;
  const how: Arg = {
    byArch: ({ noFollow }: Arch) => flags | noFollow,
    display: `O_RDWR|O_NONBLOCK|O_NOCTTY|O_NOFOLLOW${moreDisplay}`,
  };
  return {
    ...call("pidFile", "openat", [CURRENT_FOLDER, { text: path }, how, arg(0o644, "0644")]),
    path,
  };
}

/** Goes on if the file is a regular one, without another name, and belongs to us or to root. */
function examine(named: (label: string) => string, retry: string): Call[] {
  const unnamed = named("pid file: unnamed");
  const owner = named("pid file: owner");
  const isOurs = named("pid file: ours?");
  const isRoots = named("pid file: root's");
  return [
    ...clearPermissions(),
    {
      ...isField("mode", arg(S_IFREG, "S_IFREG")),
      jumps: { error: IRREGULAR },
      note: "a regular file?",
    },
    {
      ...isField("nlink", 1),
      jumps: { zero: owner, error: unnamed },
      note: "no other name of it?",
    },
    {
      ...isField("nlink", 0),
      label: unnamed,
      jumps: { zero: retry, error: LINKED },
      note: "or was it just removed?",
    },
    {
      ...call("pidFile", "geteuid"),
      label: owner,
      into: { call: isOurs, argument: EXPECTED },
      note: "whose is it? ours …",
    },
    {
      ...isField("uid", arg(0, "…")),
      label: isOurs,
      jumps: { zero: named(SET_LOCK), error: isRoots },
    },
    {
      ...isField("uid", 0),
      label: isRoots,
      jumps: { error: FOREIGN },
      note: "… or root's?",
    },
  ];
}

/** Leaves only the file type in st_mode. An operand has eleven bits, the permissions have twelve. */
function clearPermissions(): Call[] {
  const mode: Arg = { cell: OPENED, offset: "mode" };
  const wakeOp = arg(FUTEX_WAKE_OP_PRIVATE, "FUTEX_WAKE_OP_PRIVATE");
  // FUTEX_OP(op, oparg, cmp, cmparg): fields of 4, 12, 4 and 12 bits, from the highest down.
  const clear = (operation: number, operand: number, display: string): Call => {
    const change = arg(operation * 2 ** 28 + operand * 2 ** 12, display);
    return call("pidFile", "futex", [mode, wakeOp, 0, 0, mode, change]);
  };
  const { ANDN, OPARG_SHIFT } = FUTEX_OP;
  return [
    { ...clear(ANDN, 0x7ff, "FUTEX_OP(ANDN, 03777)"), note: "st_mode without permissions …" },
    {
      ...clear(ANDN + OPARG_SHIFT, 11, "FUTEX_OP(ANDN, 1 << 11)"),
      note: "… which are twelve bits",
    },
  ];
}

/** Zero if a field of the opened file has a value. */
function isField(offset: StatField, value: Arg): Call {
  return compareWord("pidFile", { cell: OPENED, offset, display: `st_${offset}` }, value);
}

/** Calls that fail, each with an errno of its own: those of a file that is not written to. */
function refusals({ path, fd }: PidFileParts): Call[] {
  const refuse = (label: string, errno: number): Call => ({
    ...call("pidFile", "fstat", [arg(-1, String(fd)), { cell: FOUND }]),
    path,
    label,
    errno,
    repeats: true,
    jumps: { zero: FAILED, positive: FAILED },
  });
  return [refuse(IRREGULAR, E.EINVAL), refuse(LINKED, E.EMLINK), refuse(FOREIGN, E.EPERM)];
}

/** Goes to `retry` unless the two stat cells are of the same file, else to {@linkcode LOCKED}. */
function compareIdentity(
  { reader, writer }: PidFileParts,
  named: (label: string) => string,
  retry: string,
): Call[] {
  const label = (offset: number) => `${named("pid file: compare")} ${offset}`;
  const last = IDENTITY.at(-1);
  const compare = (offset: number): Call => ({
    ...compareWord("pidFile", { cell: OPENED, offset }, arg(0, "…")),
    label: label(offset),
    jumps: { error: retry, ...defined({ zero: offset === last ? LOCKED : undefined }) },
    note: `the same ${offset < 8 ? "st_dev" : "st_ino"}?`,
  });
  return [
    call("pidFile", "write", [writer, { cell: FOUND }, 16]),
    ...IDENTITY.map((offset) =>
      call("pidFile", "read", [reader, { call: label(offset), argument: EXPECTED }, 4])
    ),
    ...IDENTITY.map(compare),
  ];
}
