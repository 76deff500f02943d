/**
 * A plan with a hook runs as two programs. The first one ends by executing this runtime again, in
 * the same process, which runs the hook; then the runtime executes a file that was prepared for it,
 * and that holds the second program.
 *
 * @module
 */

import { concat } from "../../core/bytes.ts";
import { SpawnError } from "../../core/errors.ts";
import { escapedLines } from "../../core/text/escape.ts";
import { inOrder } from "../../core/plan/order.ts";
import type { DriverName } from "../../core/drivers.ts";
import { findStep, type Plan, stepOf } from "../../core/plan/plan.ts";
import type { Step } from "../../core/plan/steps.ts";
import type { Arch } from "./arch.ts";
import type { HookCalls, HookCommand, HookRequest } from "./hook_start.ts";
import { type HookEnvironment, hookEnvironment } from "./hook_environment.ts";
import { type Arg, arg, type Call, call, CURRENT_FOLDER, type Program } from "./call.ts";
import { HOOK_DONE, type HookFailure } from "./protocol.ts";
import { closeAllBut } from "./close_range.ts";
import { RESET_ALL } from "./dispositions.ts";
import { elfOf } from "./elf.ts";
import type { Encoded } from "./encoded.ts";
import { E, F, FD_CLOEXEC, O } from "../../core/tables/kernel.ts";
import { encodeForFile } from "./encode_file.ts";
import { lower, type LowerOptions } from "./lower.ts";
import { freeNumber, pidFileFd } from "./lower_pid_file.ts";
import { encodeUtf8 } from "../../core/utf8.ts";

/** The control channel as the child has it, after its descriptors were laid out. */
export interface ChildChannels {
  /** Where it reports. */
  readonly status: number;
  /** Where it waits for the parent, if it does. */
  readonly go: number | undefined;
  /** The file with the program after the hook. */
  readonly image: number;
  /** A pipe whose end of file reports that the child has executed its program, or is gone. */
  readonly alive?: number | undefined;
}

/** Their numbers, each once. */
function numbersOf({ status, go, image, alive }: ChildChannels): number[] {
  return [...new Set([status, go, image, alive].filter((fd) => fd !== undefined))];
}

/** A descriptor, and the number of its duplicate. */
interface Duplicate {
  readonly fd: number;
  readonly at: number;
}

/** The two programs of a plan with a hook. */
export interface HookPrograms {
  readonly beforeHook: Program;
  /** The file with the program after the hook, and what the hook is given. */
  readonly file: Uint8Array;
  /** The program after the hook, to make sense of its notes. */
  readonly afterHook: Encoded;
}

/** What a driver knows about the runtime that runs hooks. */
export interface HookHost {
  environment(): Record<string, string>;
  hook(request: HookRequest): HookCommand;
}

/** What runs a hook. */
export interface HookRuntime {
  readonly command: HookCommand;
  readonly environment: HookEnvironment;
}

/** What the two programs are made of. */
export interface HookSplit {
  readonly arch: Arch;
  readonly plan: Plan;
  /** The steps of the first program: all before the hook, or those of stage two. */
  readonly before: readonly Step[];
  /** What restores the credentials that the execs have changed. */
  readonly restore?: readonly Call[];
  readonly lowerOptions: LowerOptions;
  readonly channels: ChildChannels;
  readonly runtime: HookRuntime;
  /**
   * A runtime without FFI marks what it inherits as close-on-exec, the lowest numbers at least, and
   * cannot clear the flag. With this, each descriptor has a duplicate from that number on, which the
   * program after the hook moves back.
   */
  readonly duplicatesFrom?: number;
}

/**
 * Node marks the descriptors that it inherits as close-on-exec, up to the first number from here on
 * that is not open. What a hook's Node must not mark is kept behind a gap.
 */
const FIRST_GAP = 16;

/** Returns from which number on duplicates are kept that a runtime without FFI does not mark. */
export function duplicatesAbove(highest: number): number {
  return Math.max(highest, FIRST_GAP) + 2;
}

/** Splits a plan at its hook. */
export function splitAtHook(split: HookSplit): HookPrograms {
  const { arch, plan, lowerOptions, channels, runtime, duplicatesFrom } = split;
  const targets = stepOf(plan, "fds").childFds.map(({ to }) => to);
  const kept = [...new Set([...targets, ...numbersOf(channels)])];
  // Where the hook finds the folder that it was started from.
  const folder = freeNumber(lowerOptions.free(), 0);
  const base = duplicatesFrom === undefined ? undefined : Math.max(duplicatesFrom, folder + 2);
  const duplicates = base === undefined ? [] : kept.map((fd, i) => ({ fd, at: base + i }));
  const numberOf = (fd: number) => duplicates.find((each) => each.fd === fd)?.at ?? fd;
  const after = encodeForFile(arch, programAfter(split, duplicates), channels.status);
  const program = elfOf(arch, after.bytes);
  const { hook } = stepOf(plan, "preExec");
  const { argv, env } = plan.exec;
  const fds = [...targets];
  // The lock of a pid file is lost with its descriptor.
  if (findStep(plan, "pidFile") !== undefined) fds.push(pidFileFd(lowerOptions.free()));
  const keep = [...fds, ...numbersOf(channels), ...duplicates.map(({ at }) => at)];
  const note = encodeUtf8(
    JSON.stringify({
      module: hook.module,
      data: hook.data,
      variables: runtime.environment.added,
      argv,
      env,
      fds,
      keep,
      locked: fds.length > targets.length,
    }),
  );
  const runtimeArgv = runtime.command.argv({
    image: numberOf(channels.image),
    status: numberOf(channels.status),
    at: program.length,
    length: note.length,
    folder,
    calls: callsOf(arch),
    module: hook.module,
  });
  const { path } = runtime.command;
  const start = { path, argv: runtimeArgv, env: runtime.environment.started };
  return {
    beforeHook: programBefore(split, start, duplicates),
    file: concat([program, note]),
    afterHook: after.encoded,
  };
}

/** The numbers of the calls that the program of a hook makes. */
function callsOf({ numbers }: Arch): HookCalls {
  const { close, execve, execveat, fchdir, fcntl, mmap, pread64, readlinkat, write } = numbers;
  return { close, execve, execveat, fchdir, fcntl, mmap, pread64, readlinkat, write };
}

/** Everything before the hook, and the runtime that runs it. */
function programBefore(
  { before, lowerOptions, channels }: HookSplit,
  runtime: { path: string; argv: readonly string[]; env: readonly string[] },
  duplicates: readonly Duplicate[],
): Program {
  const { calls, cells } = lower([...before, { step: "unblock" }], lowerOptions);
  // The runtime must find the channels, and hand them on.
  const keep = numbersOf(channels).map((fd) =>
    call("preExec", "fcntl", [fd, arg(F.SETFD, "F_SETFD"), 0])
  );
  const duplicate = duplicates.map(({ fd, at }) => call("preExec", "dup3", [fd, at, 0]));
  const { path, argv, env } = runtime;
  const exec: Call = {
    ...call("preExec", "execve", [{ text: path }, { texts: argv }, { texts: env }]),
    path,
    label: RUNTIME,
    note: "a runtime, for the hook; then the program after it",
  };
  return { calls: [...calls, ...keep, ...duplicate, ...LEAVE_FOLDER, exec], cells };
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
    ...call("preExec", "openat", [CURRENT_FOLDER, { text: "." }, arg(O.PATH, "O_PATH")]),
    jumps: { error: RUNTIME },
  },
  call("preExec", "chdir", [{ text: "/" }]),
];

/**
 * Everything after the hook. A runtime raises its limit on descriptors, ignores SIGPIPE and makes
 * the pipes that it writes to non-blocking, and the hook may do as it likes: what they may have
 * changed is restored.
 */
function programAfter(
  { plan, restore = [], lowerOptions, channels }: HookSplit,
  duplicates: readonly Duplicate[],
): Program {
  const at = plan.steps.findIndex((each) => each.step === "preExec");
  const again = plan.steps.filter((each) => each.step === "signals" || each.step === "limits");
  const steps: Step[] = inOrder([...again, ...plan.steps.slice(at + 1)]);
  // The signals that the hook has ignored may be others than those that this process ignores.
  const { calls, cells } = lower(steps, { ...lowerOptions, resets: RESET_ALL });
  const { status, alive } = channels;
  const byte: Arg = { bytes: new Uint8Array([HOOK_DONE]), display: '"\\4"' };
  const closeOnExec = (fd: number) =>
    call("preExec", "fcntl", [fd, arg(F.SETFD, "F_SETFD"), arg(FD_CLOEXEC, "FD_CLOEXEC")]);
  const blocking = (lowerOptions.blocking ?? []).map(({ fd, flags }) =>
    call("preExec", "fcntl", [fd, arg(F.SETFL, "F_SETFL"), flags])
  );
  const kept = [...stepOf(plan, "fds").childFds.map(({ to }) => to), ...numbersOf(channels)];
  if (findStep(plan, "pidFile") !== undefined) kept.push(pidFileFd(lowerOptions.free()));
  // The duplicates are open, whatever was open before.
  const last = duplicates.at(-1)?.at ?? 0;
  const openBelow = lowerOptions.openBelow && Math.max(lowerOptions.openBelow, last + 1);
  const back = duplicates.map(({ fd, at }) => call("preExec", "dup3", [at, fd, 0]));
  const begin = [
    ...back,
    // The duplicates, and what a runtime may hand on of its own: old releases of Bun do.
    ...closeAllBut("preExec", kept, openBelow),
    ...numbersOf(channels).map(closeOnExec),
    call("preExec", "write", [status, byte, 1]),
    ...(alive === undefined ? [] : [call("preExec", "write", [alive, byte, 1])]),
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
  // The hook has the arguments and variables of the program in clear, and may quote anything in its error.
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

/** Returns the runtime for the hook of a plan; throws an UnsupportedError if there is none. */
export function requireHook(
  host: Pick<HookHost, "hook">,
  plan: Plan,
  driver: DriverName,
): HookCommand {
  return host.hook({ hook: stepOf(plan, "preExec").hook, driver, command: plan.command });
}

/** The hook sees the variables that this process sees. */
export function hookRuntime(
  host: HookHost,
  plan: Plan,
  driver: DriverName,
  { elevated }: { readonly elevated: boolean },
): HookRuntime {
  return {
    command: requireHook(host, plan, driver),
    environment: hookEnvironment(host.environment(), { elevated }),
  };
}
