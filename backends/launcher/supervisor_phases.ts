/**
 * The phases of a supervisor, each as the calls of its program.
 *
 * @module
 */

import type { SyncRun } from "../../core/backend.ts";
import { LAST_FD } from "../../core/plan/descriptors.ts";
import {
  CLONE,
  F,
  FUTEX_CMP_REQUEUE_PRIVATE,
  O,
  P,
  SIG,
  SIGCHLD,
  W,
} from "../../core/tables/kernel.ts";
import { longestDrain, SIGKILL } from "../../core/timing.ts";
import type { Call } from "../child_program/call.ts";
import { closeRange } from "../child_program/close_range.ts";
import { PDEATHSIG } from "../child_program/lower_parent.ts";
import type { ChildFds } from "./child_fds.ts";
import { PROGRAM, requireParent, storeParentPid } from "./supervised_program.ts";
import {
  always,
  arm,
  copyOutput,
  hasExpired,
  isEmpty,
  isReady,
  NO_FD,
  op,
  type Output,
  pollSlots,
  setFlag,
  SLOTS,
  SPLICE_LENGTH,
  waitFor,
} from "./supervisor_calls.ts";
import type { ParentWatch, SupervisorFds } from "./supervisor_fds.ts";
import {
  EXIT_AT,
  FLAGS_AT,
  FLAGS_SIZE,
  RECORDS_SIZE,
  RUSAGE_SIZE,
  SIGINFO_SIZE,
} from "./supervisor_report.ts";

/** sigset_t with SIGCHLD. */
const SIGCHLD_SET = 1n << 16n;
/** sigset_t with SIGPIPE, 13. */
const SIGPIPE_SET = 1n << 12n;
const CLOCK_MONOTONIC = 1;
const TFD_FLAGS = O.CLOEXEC | O.NONBLOCK;

/** The descriptor that the spawner gives to a supervisor for its report. */
const REPORT = 3;

/** What a supervisor needs to know of a run. */
export type SupervisedRun = Pick<SyncRun, "timeout" | "killSignal" | "grace" | "drain">;

/** What the phases of a supervisor have in common. */
export interface Supervisor {
  readonly stdio: ChildFds["stdio"];
  readonly pipes: ChildFds["pipes"];
  /** The descriptor of the report, once it is out of the way. */
  readonly control: number;
  readonly run: SupervisedRun;
  readonly outlives: boolean;
  readonly parentWatch: ParentWatch | undefined;
  readonly pidfds: boolean;
  readonly openBelow: number | undefined;
  readonly fds: SupervisorFds;
  readonly out: Output;
  readonly err: Output;
  /** The write end of the pipe to the program's standard input, if there is one. */
  readonly input: number | undefined;
}

/** Returns the name of the cell for the ends of a pipe. */
export function pipeCell(index: number): string {
  return `pipe ${index}`;
}

/** Opens everything that the supervisor uses, and fills in the poll slots. */
export function openDescriptors({ stdio, pipes, control, fds, ...supervisor }: Supervisor): Call[] {
  const { outlives, parentWatch, out, err } = supervisor;
  const { timeout, grace, drain, drainLimit, aliveRead, parent, pidfd } = fds;
  const slots = pollSlots({
    parent: parentWatch === undefined ? NO_FD : parent,
    pidfd,
    grace,
    timeout,
    out: out.from ?? NO_FD,
    err: err.from ?? NO_FD,
    drain,
    drainLimit,
    alive: aliveRead,
    aliveTimeout: timeout,
  });
  return [
    // A daemon must not reach its program when nobody waits for it any more.
    ...(outlives ? [op("prctl", [PDEATHSIG, SIGKILL, 0, 0, 0])] : []),
    op("dup3", [REPORT, control, O.CLOEXEC]),
    op("write", [control, { bytes: new Uint8Array(RECORDS_SIZE) }, RECORDS_SIZE]),
    // Whatever else this process was started with: the numbers must be known.
    ...closeRange("fds", stdio.length, control - 1, supervisor.openBelow),
    ...pipes.map((_, i) => op("pipe2", [{ cell: pipeCell(i) }, O.CLOEXEC])),
    ...[timeout, grace, drain, drainLimit].map(() =>
      op("timerfd_create", [CLOCK_MONOTONIC, TFD_FLAGS])
    ),
    ...(outlives ? [op("pipe2", [{ cell: "alive" }, O.CLOEXEC])] : []),
    ...(parentWatch === undefined ? [] : openParent(parentWatch.parent)),
    // Data of a program cannot be changed, but cells can: a pipe copies the slots into theirs.
    op("pipe2", [{ cell: "scratch" }, O.CLOEXEC]),
    op("write", [pidfd + 1, { bytes: slots }, slots.length]),
    op("read", [pidfd, { cell: SLOTS.parent }, slots.length]),
    op("close", [pidfd]),
    op("close", [pidfd + 1]),
    ...(supervisor.pidfds ? [] : [
      op("rt_sigprocmask", [SIG.BLOCK, { words: [SIGCHLD_SET] }, 0, 8]),
      op("signalfd4", [-1, { words: [SIGCHLD_SET] }, 8, O.CLOEXEC | O.NONBLOCK]),
    ]),
  ];
}

/**
 * Opens the pidfd of the supervisor's parent. If the parent has already ended, its number may be
 * that of another process, and the supervisor has another parent.
 */
function openParent(pid: number): Call[] {
  return [
    // Otherwise a write to a parent that has just ended would end the supervisor, and so the
    // program.
    op("rt_sigprocmask", [SIG.BLOCK, { words: [SIGPIPE_SET] }, 0, 8]),
    op("pidfd_open", [pid, 0]),
    storeParentPid(),
    requireParent("child of the waiting process?", pid),
  ];
}

/** Starts the program, and the process that feeds it; starts the time limit. */
export function startProgram(supervisor: Supervisor): Call[] {
  const { stdio, pipes, run, outlives, fds, input } = supervisor;
  return [
    ...(supervisor.pidfds ? cloneWithPidfd() : cloneWithPid(supervisor)),
    ...pipes.map(({ carries, read, write }) =>
      op("close", [carries === "stdout" || carries === "stderr" ? write : read])
    ),
    ...closeRange("fds", REPORT + 1, stdio.length - 1, supervisor.openBelow),
    ...(outlives ? [op("close", [fds.aliveWrite])] : []),
    ...(input === undefined ? [] : [
      { ...op("clone", [SIGCHLD, 0, 0, 0, 0]), jumps: { zero: "pump" } },
      op("close", [input]),
      op("close", [0]),
    ]),
    ...(run.timeout === undefined ? [] : [arm(fds.timeout, run.timeout)]),
  ];
}

/** The pidfd gets the lowest free number. */
function cloneWithPidfd(): Call[] {
  return [{
    ...op("clone", [CLONE.PIDFD | SIGCHLD, 0, { cell: "pidfd" }, 0, 0]),
    jumps: { zero: PROGRAM },
  }];
}

/** Where the program's pid is an argument, if it has no pidfd. */
const WITH_PID = [
  { call: "signal", argument: 0 },
  { call: "kill", argument: 0 },
  { call: "reap", argument: 1 },
] as const;

/** Stores the pid of the program in the arguments of later calls, which a pipe copies it to. */
function cloneWithPid({ fds: { pidfd } }: Supervisor): Call[] {
  const [read, write] = [pidfd + 1, pidfd + 2];
  return [
    {
      ...op("clone", [SIGCHLD, 0, 0, 0, 0]),
      into: { cell: "program pid" },
      jumps: { zero: PROGRAM },
    },
    op("pipe2", [{ cell: "scratch" }, O.CLOEXEC]),
    ...WITH_PID.flatMap((place) => [
      op("write", [write, { cell: "program pid" }, 8]),
      op("read", [read, place, 8]),
    ]),
    op("close", [read]),
    op("close", [write]),
  ];
}

/** Sends a signal to the program, which was not reaped. */
function signalProgram(
  { pidfds, fds }: Supervisor,
  label: "signal" | "kill",
  signal: number,
): Call {
  const call = pidfds
    ? op("pidfd_send_signal", [fds.pidfd, signal, 0, 0])
    : op("kill", [0, signal]);
  return { ...call, label };
}

/** Copies output and keeps the time limit until the program has ended. */
export function whileItRuns(supervisor: Supervisor): Call[] {
  const { run, parentWatch, fds, out, err } = supervisor;
  return [
    {
      ...always(waitFor("parent", 6), parentWatch === undefined ? "out" : "parent ended?"),
      label: "running",
    },
    ...(parentWatch === undefined ? [] : [{
      ...isReady("parent"),
      label: "parent ended?",
      jumps: { positive: "parent ended", zero: "out", error: "out" },
    }]),
    ...copyOutput("out", out, { some: "err", none: "err" }),
    ...copyOutput("err", err, { some: "exited?", none: "exited?" }),
    {
      ...isReady("pidfd"),
      label: "exited?",
      jumps: { positive: "exited", zero: "timed out?", error: "timed out?" },
    },
    { ...hasExpired(fds.timeout), label: "timed out?", jumps: { error: "grace over?" } },
    setFlag("timed out"),
    {
      ...signalProgram(supervisor, "signal", run.killSignal),
      // A program that did not get the signal cannot react to it, so there is nothing to wait for.
      jumps: { error: "kill" },
    },
    // Without a timer there is no grace period.
    {
      ...arm(fds.grace, run.grace),
      jumps: { zero: "running", positive: "running", error: "kill" },
    },
    { ...hasExpired(fds.grace), label: "grace over?", jumps: { error: "running" } },
    {
      ...signalProgram(supervisor, "kill", SIGKILL),
      into: { cell: "drained" },
      jumps: { zero: "running", error: "finish" },
    },
  ];
}

/** Reports how the program ended. */
export function onExit({ control, fds, pidfds }: Supervisor): Call[] {
  const [siginfo, rusage] = [{ cell: "siginfo" }, { cell: "rusage" }];
  const reap = pidfds
    ? [{ ...op("waitid", [P.PIDFD, fds.pidfd, siginfo, W.EXITED, rusage]), label: "exited" }]
    : [
      // SIGCHLD may be that of the process that feeds the program.
      {
        ...op("read", [fds.pidfd, siginfo, SIGINFO_SIZE]),
        label: "exited",
        ignoresErrors: true,
      },
      { ...op("waitid", [P.PID, 0, siginfo, W.EXITED | W.NOHANG, rusage]), label: "reap" },
      // With WNOHANG, si_signo is 0 while the program lives.
      {
        ...op("futex", [siginfo, FUTEX_CMP_REQUEUE_PRIVATE, 0, 0, siginfo, SIGCHLD]),
        jumps: { error: "timed out?" },
      },
    ];
  return [
    ...reap,
    op("pwrite64", [control, { cell: "siginfo" }, SIGINFO_SIZE + RUSAGE_SIZE, EXIT_AT]),
  ];
}

/** Waits until a daemon has executed its program or has ended, or until the time limit. */
export function waitForDaemon({ fds }: Supervisor): Call[] {
  return [
    { ...always(waitFor("alive", 2), "hook timed out?"), label: "in hook" },
    { ...hasExpired(fds.timeout), label: "hook timed out?", jumps: { error: "alive?" } },
    always(setFlag("timed out"), "finish"),
    // A byte means that the hook is done, end of file that the program runs or the daemon has
    // ended.
    { ...op("fcntl", [fds.aliveRead, F.SETFL, O.NONBLOCK]), label: "alive?" },
    {
      ...op("read", [fds.aliveRead, { cell: "ticks" }, 8]),
      jumps: { zero: "hook over", error: "in hook", positive: "in hook" },
    },
    { ...op("getpid", []), label: "hook over" },
  ];
}

/**
 * Copies what is left in the pipes: until their end, until nothing has arrived for a while, or
 * until the limit. Other processes may hold the pipes open for as long as they like.
 */
export function drainPipes({ run, fds, out, err }: Supervisor): Call[] {
  return [
    arm(fds.drain, run.drain),
    arm(fds.drainLimit, longestDrain(run.drain)),
    { ...isEmpty("out"), label: "draining", jumps: { error: "wait" } },
    { ...isEmpty("err"), jumps: { zero: "drained", positive: "drained", error: "wait" } },
    { ...always(waitFor("timeout", 5), "late out"), label: "wait" },
    ...copyOutput("late out", out, { some: "more", none: "late err" }),
    { ...arm(fds.drain, run.drain), label: "more" },
    ...copyOutput("err after more", err, { some: "more err", none: "limit?" }),
    ...copyOutput("late err", err, { some: "more err", none: "quiet?" }),
    { ...always(arm(fds.drain, run.drain), "limit?"), label: "more err" },
    {
      ...hasExpired(fds.drain),
      label: "quiet?",
      jumps: { positive: "all read?", zero: "limit?", error: "limit?" },
    },
    {
      ...hasExpired(fds.drainLimit),
      label: "limit?",
      jumps: { positive: "all read?", error: "drain timed out?" },
    },
    { ...hasExpired(fds.timeout), label: "drain timed out?", jumps: { error: "draining" } },
    // The program has ended in time, but not what it has left running.
    always(setFlag("timed out"), "finish"),
    { ...isEmpty("out"), label: "all read?", jumps: { error: "finish" } },
    { ...isEmpty("err"), jumps: { error: "finish" } },
    { ...setFlag("drained"), label: "drained" },
  ];
}

/** Reports the flags, and ends the supervisor. */
export function finish({ control }: Supervisor): Call[] {
  return [
    {
      ...op("pwrite64", [control, { cell: "timed out" }, FLAGS_SIZE, FLAGS_AT]),
      label: "finish",
    },
    { ...op("exit_group", [0]), label: "exit" },
  ];
}

/**
 * The parent has ended: the program gets its signal and finds its outputs closed, as if it were a
 * child of that process. The supervisor stays until the program ends, since its own end kills the
 * program. If it may not send the signal, it ends at once: the signal that the kernel sends then is
 * never refused.
 */
export function onParentExit({ fds, out, err }: Supervisor, { signal }: ParentWatch): Call[] {
  return [
    {
      ...op("pidfd_send_signal", [fds.pidfd, signal, 0, 0]),
      label: "parent ended",
      jumps: { error: "exit" },
    },
    ...[out.from, err.from].filter((fd) => fd !== undefined).map((fd) => op("close", [fd])),
    always(op("waitid", [P.PIDFD, fds.pidfd, { cell: "siginfo" }, W.EXITED, 0]), "exit"),
  ];
}

/** The process that feeds the program. It must not keep the spawner's other pipes open. */
export function pumpInput({ input, openBelow }: Supervisor): Call[] {
  if (input === undefined) return [];
  return [
    { ...op("prctl", [PDEATHSIG, SIGKILL, 0, 0, 0]), label: "pump" },
    ...closeRange("fds", 1, input - 1, openBelow),
    ...closeRange("fds", input + 1, LAST_FD, openBelow),
    {
      ...op("splice", [0, 0, input, 0, SPLICE_LENGTH, 0]),
      label: "pumping",
      jumps: { positive: "pumping", zero: "pumped", error: "pumped" },
    },
    { ...op("exit_group", [0]), label: "pumped" },
  ];
}
