/**
 * A plan with a hook runs in two halves. The first one ends by executing this runtime again, in the
 * same process, which runs the hook; then it executes a file that was prepared for it in memory,
 * and that holds the second half.
 *
 * @module
 */

import { closeRange } from "./close_range.ts";
import { SpawnError } from "../../core/errors.ts";
import { escapedLines } from "../../core/text/escape.ts";
import { inOrder } from "../../core/plan/order.ts";
import { findStep, type Plan, stepOf } from "../../core/plan/plan.ts";
import type { Step } from "../../core/plan/steps.ts";
import type { Arch } from "./arch.ts";
import type { HookStart } from "./hook_start.ts";
import { type HookEnvironment, hookEnvironment } from "./hook_environment.ts";
import { type Call, call, type Program } from "./call.ts";
import { HOOK_DONE, type HookFailure } from "./protocol.ts";
import { RESET_ALL } from "./dispositions.ts";
import { elfOf } from "./elf.ts";
import type { Encoded } from "./encoded.ts";
import { AT_FDCWD, E, F, O } from "../../core/tables/kernel.ts";
import { encodeForFile } from "./encode_file.ts";
import { lower, type LowerOptions } from "./lower.ts";
import { freeNumber, pidFileFd } from "./lower_pid_file.ts";

const FD_CLOEXEC = 1;

/** The errno of a hook that failed without one. */
/** The control channel as the child has it, after its descriptors were laid out. */
export interface ChildChannels {
  /** Where it reports. */
  readonly status: number;
  /** Where it waits for the parent, if it does. */
  readonly go: number | undefined;
  /** The file with the second half. */
  readonly image: number;
  /** What is kept open so that its end of file tells that the child is through or gone. */
  readonly alive?: number | undefined;
}

/** The different numbers of them. */
function numbersOf({ status, go, image, alive }: ChildChannels): number[] {
  return [...new Set([status, go, image, alive].filter((fd) => fd !== undefined))];
}

/** How the runtime is executed again to run a hook. */
export type HookCommand = (
  start: HookStart,
) => { readonly path: string; readonly argv: readonly string[] };

/** A descriptor, and the number that it is kept under as well. */
interface ParkedPlan {
  readonly fd: number;
  readonly at: number;
}

/** A plan in two halves. */
export interface Halves {
  readonly first: Program;
  /** The file with the second half, and what the hook is to know. */
  readonly file: Uint8Array;
  /** The second half, to make sense of its notes. */
  readonly second: Encoded;
}

/** What is asked of the runtime that runs a hook. */
export interface HookHost {
  environment(): Record<string, string>;
  readonly hook: HookCommand;
}

/** What runs a hook. */
export interface HookRuntime {
  readonly command: HookCommand;
  readonly environment: HookEnvironment;
}

/** What a hook's halves are made of. */
export interface HookSplit {
  readonly arch: Arch;
  readonly plan: Plan;
  /** The steps that the first half makes: all before the hook, or those of stage two. */
  readonly before: readonly Step[];
  /** What sets the credentials right that the execs have changed. */
  readonly restore?: readonly Call[];
  readonly lowerOptions: LowerOptions;
  readonly channels: ChildChannels;
  readonly runtime: HookRuntime;
  /**
   * A runtime without FFI marks what it inherits as close-on-exec, the first numbers of it at least,
   * and cannot take that back: with this, everything is kept from that number on as well, and put
   * back into its place by the second half.
   */
  readonly parked?: number;
}

/** Splits a plan at its hook. */
export function splitAtHook(split: HookSplit): Halves {
  const { arch, plan, lowerOptions, channels, runtime, parked } = split;
  const targets = stepOf(plan, "fds").childFds.map((wire) => wire.to);
  const kept = [...new Set([...targets, ...numbersOf(channels)])];
  // Where the hook finds the folder that it was started from.
  const folder = freeNumber(lowerOptions.free(), 0);
  const base = parked === undefined ? undefined : Math.max(parked, folder + 2);
  const places = base === undefined ? [] : kept.map((fd, i) => ({ fd, at: base + i }));
  const placeOf = (fd: number) => places.find((each) => each.fd === fd)?.at ?? fd;
  const second = encodeForFile(arch, secondHalf(split, places), channels.status);
  const half = elfOf(arch, second.bytes);
  const { hook } = stepOf(plan, "preExec");
  const { argv, env } = plan.exec;
  const fds = [...targets];
  // The lock of a pid file is lost with its descriptor.
  if (findStep(plan, "pidFile") !== undefined) fds.push(pidFileFd(lowerOptions.free()));
  const keep = [...fds, ...numbersOf(channels), ...places.map(({ at }) => at)];
  const note = new TextEncoder().encode(
    JSON.stringify({
      module: hook.module,
      data: hook.data,
      variables: runtime.environment.added,
      argv,
      env,
      fds,
      keep,
    }),
  );
  const command = runtime.command({
    image: placeOf(channels.image),
    tell: placeOf(channels.status),
    at: half.length,
    length: note.length,
    folder,
    module: hook.module,
  });
  const file = new Uint8Array(half.length + note.length);
  file.set(half);
  file.set(note, half.length);
  const first = firstHalf(split, { ...command, env: runtime.environment.started }, places);
  return { first, file, second: second.encoded };
}

/** Everything before the hook, and the runtime that runs it. */
function firstHalf(
  { before, lowerOptions, channels }: HookSplit,
  runtime: { path: string; argv: readonly string[]; env: readonly string[] },
  places: readonly ParkedPlan[],
): Program {
  const { calls, cells } = lower([...before, { step: "unblock" }], lowerOptions);
  // The runtime must find the channels, and hand them on.
  const keep = numbersOf(channels).map((fd) =>
    call("preExec", "fcntl", [fd, F.SETFD, 0], [String(fd), "F_SETFD", "0"])
  );
  const park = places.map(({ fd, at }) =>
    call("preExec", "dup3", [fd, at, 0], [String(fd), String(at), "0"])
  );
  const { path, argv, env } = runtime;
  const exec: Call = {
    ...call("preExec", "execve", [{ text: path }, { texts: argv }, { texts: env }], [
      JSON.stringify(path),
      "…",
      "…",
    ]),
    path,
    label: RUNTIME,
    note: "this runtime again, for the hook; then the second half",
  };
  return { calls: [...calls, ...keep, ...park, ...LEAVE_FOLDER, exec], cells };
}

/** The label of the exec of a hook's runtime. */
const RUNTIME = "hook: runtime";

/**
 * A runtime loads what it finds in the current folder (configuration, variables, modules to begin
 * with), and here it has all rights of the parent. So it starts in the root of the file system; the
 * hook goes back by the descriptor. A folder that may not be searched has nothing to load.
 */
const LEAVE_FOLDER: readonly Call[] = [
  {
    ...call("preExec", "openat", [AT_FDCWD, { text: "." }, O.PATH, 0], [
      "AT_FDCWD",
      '"."',
      "O_PATH",
    ]),
    jumps: { error: RUNTIME },
  },
  call("preExec", "chdir", [{ text: "/" }], ['"/"']),
];

/**
 * Everything after the hook. A runtime raises its limit on descriptors, ignores SIGPIPE and makes
 * the pipes that it writes to non-blocking, and the hook may do as it likes: what they may have
 * changed is set right again.
 */
function secondHalf(
  { plan, restore = [], lowerOptions, channels }: HookSplit,
  places: readonly ParkedPlan[],
): Program {
  const at = plan.steps.findIndex((each) => each.step === "preExec");
  const again = plan.steps.filter((each) => each.step === "signals" || each.step === "limits");
  const steps: Step[] = inOrder([...again, ...plan.steps.slice(at + 1)]);
  // What our own process ignores says nothing about that of the hook.
  const { calls, cells } = lower(steps, { ...lowerOptions, resets: RESET_ALL });
  const { status, alive } = channels;
  const byte = { bytes: new Uint8Array([HOOK_DONE]) };
  const closeOnExec = (fd: number) =>
    call("preExec", "fcntl", [fd, F.SETFD, FD_CLOEXEC], [String(fd), "F_SETFD", "FD_CLOEXEC"]);
  const blocking = (lowerOptions.blocking ?? []).map(({ fd, flags }) =>
    call("preExec", "fcntl", [fd, F.SETFL, flags], [String(fd), "F_SETFL", String(flags)])
  );
  const [first, last] = [places[0]?.at, places.at(-1)?.at];
  const back = places.map(({ fd, at }) =>
    call("preExec", "dup3", [at, fd, 0], [String(at), String(fd), "0"])
  );
  const begin = [
    ...back,
    ...(first === undefined || last === undefined
      ? []
      : closeRange("preExec", first, last, lowerOptions.openBelow)),
    ...numbersOf(channels).map(closeOnExec),
    call("preExec", "write", [status, byte, 1], [String(status), '"\\4"', "1"]),
    ...(alive === undefined ? [] : [
      call("preExec", "write", [alive, byte, 1], [String(alive), '"\\4"', "1"]),
    ]),
    ...blocking,
  ];
  return { calls: [...begin, ...restore, ...calls], cells };
}

/** The most characters of what a hook throws that an error shows. */
const MAX_REPORT = 8000;

/** The error for what a hook reported. */
export function hookError(plan: Plan, report: string): SpawnError {
  const { message: thrown, stack, errno } = JSON.parse(report) as HookFailure;
  const { hook } = stepOf(plan, "preExec");
  // The hook has the arguments and variables of the program in clear, and quotes what it likes.
  const display = (text: string) => escapedLines(plan.mask(text)).slice(0, MAX_REPORT);
  const message = display(thrown);
  const cause = new Error(message);
  if (stack !== undefined) cause.stack = display(stack);
  return new SpawnError({
    step: "preExec",
    syscall: "preExec",
    args: [JSON.stringify(hook.module)],
    errno: errno ?? E.ECANCELED,
    path: hook.module,
    detail: message,
    command: plan.command,
    cause,
  });
}

/** The error for a hook whose runtime ended without a report. */
export function silentHook(plan: Plan): SpawnError {
  return hookError(plan, JSON.stringify({ message: "the runtime ended before the hook did" }));
}

/** The hook sees the variables that this process sees. */
export function hookRuntime(
  host: HookHost,
  isElevated: boolean,
): HookRuntime {
  return { command: host.hook, environment: hookEnvironment(host.environment(), isElevated) };
}
