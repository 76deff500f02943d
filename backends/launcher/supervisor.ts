/**
 * The supervisor of a synchronous run, as a child program. A spawner that waits knows neither real
 * pipes nor a grace between two signals, and it waits for every descendant that holds a pipe open.
 * So it starts this: it makes the pipes, forks the program, carries what comes out of it, keeps the
 * time limit, drains, and reports how the program ended and what it used.
 *
 * The interpreter only tells signs apart, so conditions are made of calls: read(2) of a timerfd
 * succeeds once it has expired; futex(2) compares a word; a poll slot is emptied by storing the
 * error of a call into it, since poll(2) passes negative descriptors over.
 *
 * @module
 */

import type { Exit, SyncRun } from "../../core/backend.ts";
import { type Arg, type Call, call, type Cell, type Program } from "../child_program/call.ts";
import { longestDrain, SIGKILL } from "../../core/timing.ts";
import { F, FUTEX_CMP_REQUEUE_PRIVATE, O, SIGCHLD } from "../../core/tables/kernel.ts";
import { ABANDONED_STATUS } from "../child_program/lower.ts";
import { EXPECTED, isParent, PR_SET_PDEATHSIG } from "../child_program/lower_parent.ts";
import { exitFrom } from "../child_program/exit.ts";
import type { SyscallName } from "../child_program/arch.ts";
import type { ChildFds } from "./child_fds.ts";

const CLONE_PIDFD = 0x1000;
const P_PIDFD = 3;
const SIG_BLOCK = 0;
/** sigset_t with SIGPIPE, 13. */
const PIPE_SIGNAL = 1n << 12n;
const WEXITED = 4;
const POLLIN = 1;
const SPLICE_F_NONBLOCK = 2;
const CLOCK_MONOTONIC = 1;
const TFD_FLAGS = O.CLOEXEC | O.NONBLOCK;
const LAST_FD = 0xffff_ffff;
const AT_ONCE = 1024 * 1024;

/** What is in the slot of a descriptor that is not looked at any more: -EBADF. */
const EMPTY = -9;

const SIGINFO_SIZE = 128;
const RUSAGE_SIZE = 144;

/**
 * The cells "timed out" and "drained", one behind the other: positive if so. "drained" is negative
 * if SIGKILL was refused: the error.
 */
const FLAGS_SIZE = 16;

/**
 * A report begins with records at fixed places: the program's pid; siginfo and rusage of its end;
 * the flags. What the program tells comes after them. The spawner may kill the supervisor between
 * any two calls, so each record is written by a single one, and is zeros until then.
 */
const PID_AT = 0;
const EXIT_AT = 8;
const FLAGS_AT: number = EXIT_AT + SIGINFO_SIZE + RUSAGE_SIZE;
const REPORT_HEAD: number = FLAGS_AT + FLAGS_SIZE;

/** What the supervisor reports. */
export interface Supervised {
  readonly pid: number | undefined;
  readonly timedOut: boolean;
  readonly drained: boolean;
  /** The errno with which SIGKILL was refused, positive. */
  readonly refused: number | undefined;
  readonly exit: Exit | undefined;
  /** What the program itself has told. */
  readonly status: Uint8Array;
}

/** The descriptors of a supervisor besides those it was given. */
interface Numbers {
  readonly timeout: number;
  readonly grace: number;
  readonly drain: number;
  readonly bound: number;
  readonly pidfd: number;
}

/**
 * How many descriptors a supervisor needs besides the pipes: four timers, the pidfd, two of a pipe,
 * two for a daemon with a hook or one for the parent.
 */
const OWN = 9;

/**
 * The child's end of a pipe for a daemon with a hook, which is not the supervisor's child: its end of
 * file tells that the daemon has executed its program or is gone. The daemon writes to it when the
 * hook is done, which fails if the supervisor is gone.
 */
export function aliveFd({ stdio, pipes }: Pick<ChildFds, "stdio" | "pipes">): number {
  return stdio.length + 2 * pipes.length + 5;
}

/** Above everything that the supervisor opens. */
export function aboveSupervisor({ above, stdio, pipes }: ChildFds): number {
  return Math.max(above, stdio.length + 2 * pipes.length + OWN);
}

/** What is to become of the program when the process that waits for its supervisor ends. */
export interface ParentWatch {
  /** Of that process. */
  readonly parent: number;
  /** What the program gets. */
  readonly signal: number;
}

/**
 * The program around `program`, the calls of the child itself. `control` is a free number for the
 * report; the spawner's own streams are 0 to 2, the report comes in on 3. If the program `outlives`
 * the process that is started for it, as a daemon in its hook does, that is waited for as well. With
 * a `bond`, the supervisor watches its own parent: the program is no child of that, so that the
 * kernel would not tell it.
 */
export function supervise(
  program: Program,
  childFds: Pick<ChildFds, "stdio" | "pipes">,
  control: number,
  run: Pick<SyncRun, "timeout" | "killSignal" | "grace" | "drain">,
  { outlives = false, bond }: {
    readonly outlives?: boolean;
    readonly bond?: ParentWatch | undefined;
  } = {},
): Program {
  const { stdio, pipes } = childFds;
  const first = stdio.length + 2 * pipes.length;
  const [timeout, grace, drain, bound] = [first, first + 1, first + 2, first + 3];
  const [aliveRead, aliveWrite] = [first + 4, first + 5];
  const parentFd = first + 4;
  const pidfd = outlives ? first + 6 : bond === undefined ? first + 4 : first + 5;
  const numbers: Numbers = { timeout, grace, drain, bound, pidfd };
  const end = (carries: string, side: "read" | "write") =>
    pipes.find((each) => each.carries === carries)?.[side];
  const [out, err, input] = [end("stdout", "read"), end("stderr", "read"), end("stdin", "write")];
  const slots = [
    bond === undefined ? EMPTY : parentFd,
    pidfd,
    grace,
    timeout,
    out ?? EMPTY,
    err ?? EMPTY,
    drain,
    bound,
    aliveRead,
    timeout,
  ];
  const limited = run.timeout !== undefined;
  const held = compareSupervisor(program.calls);

  const calls: Call[] = [
    // A daemon must not come to its program when nobody waits for it any more.
    ...(outlives ? [op("prctl", [PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0])] : []),
    op("dup3", [3, control, O.CLOEXEC]),
    op("write", [control, { bytes: new Uint8Array(REPORT_HEAD) }, REPORT_HEAD]),
    // Whatever this process was started with besides: the numbers must be known.
    op("close_range", [stdio.length, control - 1, 0]),
    ...pipes.map((_, i) => op("pipe2", [{ cell: pipeCell(i) }, O.CLOEXEC])),
    ...[timeout, grace, drain, bound].map(() => op("timerfd_create", [CLOCK_MONOTONIC, TFD_FLAGS])),
    ...(outlives ? [op("pipe2", [{ cell: "alive" }, O.CLOEXEC])] : []),
    ...(bond === undefined ? [] : watchParent(bond.parent)),
    // A pipe turns the data of a program into memory that can be changed.
    op("pipe2", [{ cell: "scratch" }, O.CLOEXEC]),
    op("write", [pidfd + 1, { bytes: pollSlots(slots) }, slots.length * 8]),
    op("read", [pidfd, { cell: PARENT_SLOT }, slots.length * 8]),
    op("close", [pidfd]),
    op("close", [pidfd + 1]),
    storeOwnPid(IS_OURS),
    ...(held.some(({ label }) => label === IS_SUPERVISED) ? [storeOwnPid(IS_SUPERVISED)] : []),
    // The lowest number is free again for the pidfd.
    {
      ...op("clone", [CLONE_PIDFD | SIGCHLD, 0, { cell: "pidfd" }, 0, 0]),
      jumps: { zero: "program" },
    },

    ...pipes.map(({ carries, read, write }) =>
      op("close", [carries === "stdout" || carries === "stderr" ? write : read])
    ),
    ...(stdio.length > 4 ? [op("close_range", [4, stdio.length - 1, 0])] : []),
    ...(outlives ? [op("close", [aliveWrite])] : []),
    ...(input === undefined ? [] : [
      { ...op("clone", [SIGCHLD, 0, 0, 0, 0]), jumps: { zero: "pump" } },
      op("close", [input]),
      op("close", [0]),
    ]),
    ...(limited ? [arm(timeout, run.timeout ?? 0)] : []),

    // While it runs.
    {
      ...go(op("ppoll", [{ cell: PARENT_SLOT }, 6, 0, 0, 8]), bond === undefined ? "out" : "gone?"),
      label: "loop",
    },
    ...(bond === undefined ? [] : [{
      ...op("ppoll", [{ cell: PARENT_SLOT }, 1, { zeros: true }, 0, 8]),
      label: "gone?",
      jumps: { positive: "gone", zero: "out", error: "out" },
    }]),
    ...carry("out", out, 1, "err", "err"),
    ...carry("err", err, 2, "exited?", "exited?"),
    {
      ...op("ppoll", [{ cell: SLOTS[0] }, 1, { zeros: true }, 0, 8]),
      label: "exited?",
      jumps: { positive: "reap", zero: "time?", error: "time?" },
    },
    {
      ...op("read", [timeout, { cell: "ticks" }, 8]),
      label: "time?",
      jumps: { error: "grace?" },
    },
    { ...op("getpid", []), into: { cell: "timed out" } },
    {
      ...op("pidfd_send_signal", [numbers.pidfd, run.killSignal, 0, 0]),
      // It has got nothing to react to, so that there is nothing to wait for.
      jumps: { error: "force" },
    },
    // Without a clock there is no time to give it.
    { ...arm(grace, run.grace), jumps: { zero: "loop", positive: "loop", error: "force" } },
    { ...op("read", [grace, { cell: "ticks" }, 8]), label: "grace?", jumps: { error: "loop" } },
    {
      ...op("pidfd_send_signal", [numbers.pidfd, SIGKILL, 0, 0]),
      label: "force",
      into: { cell: "drained" },
      jumps: { zero: "loop", error: "end" },
    },

    // When it has ended.
    {
      ...op("waitid", [P_PIDFD, numbers.pidfd, { cell: "siginfo" }, WEXITED, { cell: "rusage" }]),
      label: "reap",
    },
    op("pwrite64", [control, { cell: "siginfo" }, SIGINFO_SIZE + RUSAGE_SIZE, EXIT_AT]),
    ...(outlives
      ? [
        go({ ...op("ppoll", [{ cell: SLOTS[7] }, 2, 0, 0, 8]), label: "alive" }, "hook late?"),
        {
          ...op("read", [timeout, { cell: "ticks" }, 8]),
          label: "hook late?",
          jumps: { error: "alive?" },
        },
        go({ ...op("getpid", []), into: { cell: "timed out" } }, "end"),
        // A byte says that the hook is done, end of file that the program runs or the daemon is gone.
        {
          ...op("fcntl", [aliveRead, F.SETFL, O.NONBLOCK]),
          label: "alive?",
        },
        {
          ...op("read", [aliveRead, { cell: "ticks" }, 8]),
          jumps: { zero: "ended", error: "alive", positive: "alive" },
        },
        { ...op("getpid", []), label: "ended" },
      ]
      : []),
    arm(drain, run.drain),
    arm(bound, longestDrain(run.drain)),
    { ...isEmpty(SLOTS[3]), label: "drain", jumps: { error: "wait" } },
    { ...isEmpty(SLOTS[4]), jumps: { zero: "drained", positive: "drained", error: "wait" } },
    go({ ...op("ppoll", [{ cell: SLOTS[2] }, 5, 0, 0, 8]), label: "wait" }, "late out"),
    ...carry("late out", out, 1, "more", "late err"),
    { ...arm(drain, run.drain), label: "more" },
    ...carry("err after more", err, 2, "anew", "bound?"),
    ...carry("late err", err, 2, "anew", "quiet?"),
    go({ ...arm(drain, run.drain), label: "anew" }, "bound?"),
    {
      ...op("read", [drain, { cell: "ticks" }, 8]),
      label: "quiet?",
      jumps: { positive: "over?", zero: "bound?", error: "bound?" },
    },
    {
      ...op("read", [bound, { cell: "ticks" }, 8]),
      label: "bound?",
      jumps: { positive: "over?", error: "late?" },
    },
    { ...op("read", [timeout, { cell: "ticks" }, 8]), label: "late?", jumps: { error: "drain" } },
    // The program has ended in time, what it has left behind has not.
    go({ ...op("getpid", []), into: { cell: "timed out" } }, "end"),
    { ...isEmpty(SLOTS[3]), label: "over?", jumps: { error: "end" } },
    { ...isEmpty(SLOTS[4]), jumps: { error: "end" } },
    { ...op("getpid", []), label: "drained", into: { cell: "drained" } },
    {
      ...op("pwrite64", [control, { cell: "timed out" }, FLAGS_SIZE, FLAGS_AT]),
      label: "end",
    },
    { ...op("exit_group", [0]), label: "over" },
    ...(bond === undefined ? [] : outliveParent(bond, pidfd, [out, err])),

    // What feeds the program. It must not keep the spawner's other pipes open.
    ...(input === undefined ? [] : [
      { ...op("prctl", [PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0]), label: "pump" },
      op("close_range", [1, input - 1, 0]),
      op("close_range", [input + 1, LAST_FD, 0]),
      {
        ...op("splice", [0, 0, input, 0, AT_ONCE, 0]),
        label: "pumping",
        jumps: { positive: "pumping", zero: "pumped", error: "pumped" },
      },
      { ...op("exit_group", [0]), label: "pumped" },
    ]),

    // The program. If the spawner kills its supervisor, or the supervisor gives up, it is not to be
    // left behind; also if that has happened before it could ask for its own end.
    { ...op("prctl", [PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0]), label: "program" },
    ...compareParent(IS_OURS),
    { ...op("getpid", []), into: { cell: "own pid" } },
    op("pwrite64", [control, { cell: "own pid" }, 8, PID_AT]),
    ...held,
  ];
  const cells: Cell[] = [
    ...[PARENT_SLOT, ...SLOTS].map((name) => ({ name, size: 8 })),
    ...pipes.map((_, i) => ({ name: pipeCell(i), size: 8 })),
    ...["scratch", "alive", "pidfd", "ticks", "own pid", "parent pid", "timed out", "drained"].map((
      name,
    ) => ({
      name,
      size: 8,
    })),
    { name: "siginfo", size: SIGINFO_SIZE },
    { name: "rusage", size: RUSAGE_SIZE },
    ...program.cells,
  ];
  return { calls, cells };
}

/** The labels of calls that compare pids: of the supervisor's parent, and of the program's. */
const IS_WAITED_FOR = "is waited for?";
const IS_OURS = "is ours?";

/**
 * Opens the pidfd of the supervisor's parent. If that has ended already, the number may be another
 * process's, and the supervisor has another parent.
 */
function watchParent(pid: number): Call[] {
  return [
    // Else writing to a parent that has just ended would end the supervisor, and kill the program.
    op("rt_sigprocmask", [SIG_BLOCK, { words: [PIPE_SIGNAL] }, 0, 8]),
    op("pidfd_open", [pid, 0]),
    { ...op("getppid", []), into: { cell: "parent pid" } },
    isParent({ cell: "parent pid" }, pid, IS_WAITED_FOR),
  ];
}

/** Fills in the pid that {@linkcode compareParent} expects: that of the process that makes a child. */
function storeOwnPid(label: string): Call {
  return { ...op("getpid", []), into: { call: label, argument: EXPECTED } };
}

function compareParent(label: string): Call[] {
  return [
    { ...op("getppid", []), into: { cell: "parent pid" } },
    isParent({ cell: "parent pid" }, 0, label),
  ];
}

/**
 * The parent has ended: the program gets its signal, and finds its outputs closed, as it would if it
 * were that process's own child. The supervisor stays until the program ends, since its own end
 * kills. If it may not send a signal, it ends at once: what the kernel sends then is never refused.
 */
function outliveParent(
  { signal }: ParentWatch,
  pidfd: number,
  outputs: readonly (number | undefined)[],
): Call[] {
  return [
    {
      ...op("pidfd_send_signal", [pidfd, signal, 0, 0]),
      label: "gone",
      jumps: { error: "over" },
    },
    ...outputs.filter((fd) => fd !== undefined).map((fd) => op("close", [fd])),
    go(op("waitid", [P_PIDFD, pidfd, { cell: "siginfo" }, WEXITED, 0]), "over"),
  ];
}

const IS_SUPERVISED = "is supervised?";
const SUPERVISED = "supervised";
const ORPHANED = "orphaned";

/**
 * The calls of the program. A change of identity ends the bond of PR_SET_PDEATHSIG, see prctl(2),
 * and it is made again by these calls. If the supervisor was ended in between, the child has another
 * parent by then, and no signal would ever come.
 */
function compareSupervisor(calls: readonly Call[]): Call[] {
  const bond = calls.findLastIndex(({ args: [first], name, step }) =>
    step === "identity" && name === "prctl" && first === PR_SET_PDEATHSIG
  );
  if (bond < 0) return [...calls];
  const word = { cell: "parent pid" };
  return [
    ...calls.slice(0, bond + 1),
    { ...op("getppid", []), into: word },
    {
      // Compares with the last argument, which the supervisor has filled in before the clone.
      ...op("futex", [word, FUTEX_CMP_REQUEUE_PRIVATE, 0, 0, word, 0]),
      label: IS_SUPERVISED,
      jumps: { zero: SUPERVISED, positive: SUPERVISED, error: ORPHANED },
    },
    { ...op("exit_group", [ABANDONED_STATUS]), label: ORPHANED },
    { ...op("getpid", []), label: SUPERVISED },
    ...calls.slice(bond + 1),
  ];
}

/** The poll slot before the others: that of the supervisor's parent, while the program runs. */
const PARENT_SLOT = "slot parent";

/**
 * The poll slots, one behind the other: the first five while it runs, the last five but two
 * afterwards, the last two for a daemon in its hook.
 */
const SLOTS = [
  "slot pidfd",
  "slot grace",
  "slot timeout",
  "slot out",
  "slot err",
  "slot drain",
  "slot bound",
  "slot alive",
  "slot alive timeout",
] as const;

/** Takes a report apart, however much of it was written. */
export function parseReport(bytes: Uint8Array): Supervised {
  const head = new Uint8Array(REPORT_HEAD);
  head.set(bytes.subarray(0, REPORT_HEAD));
  const view = new DataView(head.buffer);
  const pid = view.getInt32(PID_AT, true);
  const drained = view.getInt32(FLAGS_AT + 8, true);
  const ended = view.getInt32(EXIT_AT, true) === SIGCHLD;
  return {
    pid: pid === 0 ? undefined : pid,
    timedOut: view.getInt32(FLAGS_AT, true) !== 0,
    drained: drained > 0,
    refused: drained < 0 ? -drained : undefined,
    exit: ended ? exitFrom(view, EXIT_AT, EXIT_AT + SIGINFO_SIZE) : undefined,
    status: bytes.subarray(REPORT_HEAD),
  };
}

function op(name: SyscallName, args: readonly Arg[]): Call {
  return call("fds", name, args, args.map((arg) => typeof arg === "object" ? "…" : String(arg)));
}

/** Goes on at a label whatever the result is. */
function go(from: Call, to: string): Call {
  return { ...from, jumps: { zero: to, positive: to, error: to } };
}

/** timerfd_settime(2): once, after so many milliseconds; 0 would disarm it. */
function arm(timer: number, ms: number): Call {
  const ns = BigInt(Math.max(1, Math.round(Math.min(ms, 2 ** 40) * 1e6)));
  const spec = new BigInt64Array([0n, 0n, ns / 1_000_000_000n, ns % 1_000_000_000n]);
  return op("timerfd_settime", [timer, 0, { bytes: new Uint8Array(spec.buffer) }, 0]);
}

/**
 * Carries what is in a pipe to the spawner: on to `some` if something was, else to `none`. At the
 * end of the pipe its slot is emptied.
 */
function carry(
  label: string,
  from: number | undefined,
  to: number,
  some: string,
  none: string,
): Call[] {
  if (from === undefined) return [go({ ...op("getpid", []), label }, none)];
  const over = `${label}: over`;
  return [
    {
      ...op("splice", [from, 0, to, 0, AT_ONCE, SPLICE_F_NONBLOCK]),
      label,
      jumps: { positive: some, zero: over, error: none },
    },
    {
      ...go(op("close", [-1]), none),
      label: over,
      into: { cell: to === 1 ? SLOTS[3] : SLOTS[4] },
    },
  ];
}

/** Zero if a slot is empty. */
function isEmpty(slot: string): Call {
  const word = { cell: slot };
  return op("futex", [word, FUTEX_CMP_REQUEUE_PRIVATE, 0, 0, word, 0x1_0000_0000 + EMPTY]);
}

/** struct pollfd, one behind the other. */
function pollSlots(fds: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(fds.length * 8);
  const view = new DataView(bytes.buffer);
  fds.forEach((fd, i) => {
    view.setInt32(i * 8, fd, true);
    view.setInt16(i * 8 + 4, POLLIN, true);
  });
  return bytes;
}

function pipeCell(index: number): string {
  return `pipe ${index}`;
}
