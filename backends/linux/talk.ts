/**
 * Talking to a child before it runs its program. A child with a handshake, or with a hook, runs
 * beside its parent and is connected to it by two pipes:
 *
 * - `tell`, from the child: single bytes that say how far it has come, and reports of failure;
 *   end of file when it has exec'ed its program, or is gone;
 * - `word`, to the child: a byte that lets it go; end of file if the parent has died.
 *
 * With a hook, the plan is run in two halves. The first one ends by executing this runtime anew,
 * in the same process, which runs the hook; then it executes a file that was prepared for it in
 * memory, and that holds the second half.
 *
 * @module
 */

import { SpawnError } from "../../core/errors.ts";
import { escapedLines } from "../../core/escape.ts";
import { inOrder } from "../../core/order.ts";
import { findStep, type Plan, stepOf } from "../../core/plan.ts";
import type { Step } from "../../core/steps.ts";
import { type Call, call, type Program } from "./call.ts";
import { RESET_ALL } from "./dispositions.ts";
import { DAEMON } from "./lower_daemon.ts";
import { elfOf, PROGRAM_AT } from "./elf.ts";
import { encode, sizeOf } from "./encode.ts";
import { type Encoded, FAILURE_REPORT } from "./encoded.ts";
import type { Arch } from "./arch.ts";
import type { Host } from "./host.ts";
import { F } from "./kernel.ts";
import { type Circumstances, lower, RUNS, WAITS } from "./lower.ts";
import { pidFileFd } from "./lower_pid_file.ts";

/** A byte on `tell`: the second half of the plan has begun. */
export const SECOND_HALF = 4;

/** A byte on `tell` before a report of the hook, JSON. */
export const HOOK_REPORT = 3;

/** A byte on `tell`: the pipes are there, to be opened by way of /proc. */
export const PIPES = 5;

const FD_CLOEXEC = 1;

/** The errno of a hook that failed without one. */
const ECANCELED = 125;

/** What a child has told so far. */
export interface Told {
  readonly pipes: boolean;
  readonly waits: boolean;
  readonly secondHalf: boolean;
  /** The next call is the last one. */
  readonly runs: boolean;
  readonly daemonPid: number | undefined;
  /** The notes of a program that gave up. */
  readonly notes: Uint8Array | undefined;
  /** What the hook has to say of its failure, as JSON. */
  readonly hook: string | undefined;
}

/** Takes apart what was read from `tell`. */
export function parseTold(bytes: Uint8Array): Told {
  const told: { -readonly [K in keyof Told]: Told[K] } = {
    pipes: false,
    waits: false,
    secondHalf: false,
    runs: false,
    daemonPid: undefined,
    notes: undefined,
    hook: undefined,
  };
  for (let at = 0; at < bytes.length; at++) {
    const rest = bytes.subarray(at + 1);
    switch (bytes[at]) {
      case PIPES:
        told.pipes = true;
        break;
      case WAITS:
        told.waits = true;
        break;
      case SECOND_HALF:
        told.secondHalf = true;
        break;
      case RUNS:
        told.runs = true;
        break;
      case DAEMON:
        if (rest.length < 8) return told;
        told.daemonPid = new DataView(rest.buffer, rest.byteOffset).getInt32(0, true);
        at += 8;
        break;
      case FAILURE_REPORT:
        return { ...told, notes: rest };
      case HOOK_REPORT:
        return { ...told, hook: new TextDecoder().decode(rest) };
    }
  }
  return told;
}

/** What a hook reports when it fails. */
export interface HookFailure {
  readonly message: string;
  readonly stack?: string;
  readonly errno?: number;
}

/** The channels as the child has them, after its descriptors were laid out. */
export interface Channels {
  readonly tell: number;
  readonly word: number;
  /** The file with the second half. */
  readonly image: number;
}

/** How the runtime is executed anew to run a hook. */
export type HookCommand = (numbers: {
  readonly image: number;
  readonly tell: number;
  readonly at: number;
  readonly length: number;
}) => { readonly path: string; readonly argv: readonly string[] };

/** A descriptor, and the number that it is kept under as well. */
interface Parked {
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

/** What runs a hook. */
export interface HookRuntime {
  readonly command: HookCommand;
  readonly env: readonly string[];
}

/**
 * Splits a plan at its hook. A runtime without FFI marks what it inherits as close-on-exec, the
 * first numbers of it at least, and cannot take that back: with `parked`, everything is kept from
 * that number on as well, and put back into its place by the second half.
 */
export function splitAtHook(
  arch: Arch,
  plan: Plan,
  circumstances: Circumstances,
  channels: Channels,
  runtime: HookRuntime,
  parked?: number,
): Halves {
  const targets = stepOf(plan, "fds").wires.map((wire) => wire.to);
  const kept = [...new Set([...targets, ...Object.values(channels)])];
  const places = parked === undefined ? [] : kept.map((fd, i) => ({ fd, at: parked + i }));
  const placeOf = (fd: number) => places.find((each) => each.fd === fd)?.at ?? fd;
  const secondProgram = secondHalf(plan, circumstances, channels, places);
  const size = sizeOf(secondProgram);
  const buffer = new ArrayBuffer(Math.ceil(size / 8) * 8);
  const arena = {
    address: PROGRAM_AT,
    size,
    bytes: new Uint8Array(buffer),
    words: new Uint32Array(buffer),
  };
  const second = encode(secondProgram, arch, arena, {
    base: PROGRAM_AT,
    report: channels.tell,
  });
  const half = elfOf(arch, arena.bytes.subarray(0, second.length));
  const { hook } = stepOf(plan, "preExec");
  const { argv, env } = plan.exec;
  const fds = [...targets];
  // The lock of a pid file is lost with its descriptor.
  if (findStep(plan, "pidFile") !== undefined) fds.push(pidFileFd(circumstances.free()));
  const keep = [...fds, ...Object.values(channels), ...places.map(({ at }) => at)];
  const note = new TextEncoder().encode(
    JSON.stringify({ module: hook.module, data: hook.data, argv, env, fds, keep }),
  );
  const command = runtime.command({
    image: placeOf(channels.image),
    tell: placeOf(channels.tell),
    at: half.length,
    length: note.length,
  });
  const file = new Uint8Array(half.length + note.length);
  file.set(half);
  file.set(note, half.length);
  return {
    first: firstHalf(plan, circumstances, channels, { ...command, env: runtime.env }, places),
    file,
    second,
  };
}

/** Everything before the hook, and the runtime that runs it. */
function firstHalf(
  plan: Plan,
  circumstances: Circumstances,
  channels: Channels,
  runtime: { path: string; argv: readonly string[]; env: readonly string[] },
  places: readonly Parked[],
): Program {
  const at = plan.steps.findIndex((each) => each.step === "preExec");
  const before = plan.steps.slice(0, at);
  const { calls, cells } = lower([...before, { step: "unblock" }], circumstances);
  // The runtime must find the channels, and hand them on.
  const keep = Object.values(channels).map((fd) =>
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
    note: "this runtime anew, for the hook; then the second half",
  };
  return { calls: [...calls, ...keep, ...park, exec], cells };
}

/**
 * Everything after the hook. A runtime raises its limit on descriptors, ignores SIGPIPE and makes
 * the pipes that it writes to non-blocking, and the hook may do as it likes: what they may have
 * changed is set right again.
 */
function secondHalf(
  plan: Plan,
  circumstances: Circumstances,
  channels: Channels,
  places: readonly Parked[],
): Program {
  const at = plan.steps.findIndex((each) => each.step === "preExec");
  const again = plan.steps.filter((each) => each.step === "signals" || each.step === "limits");
  const steps: Step[] = inOrder([...again, ...plan.steps.slice(at + 1)]);
  // What our own process ignores says nothing about that of the hook.
  const { calls, cells } = lower(steps, { ...circumstances, resets: RESET_ALL });
  const { tell, word, image } = channels;
  const byte = { bytes: new Uint8Array([SECOND_HALF]) };
  const closeOnExec = (fd: number) =>
    call("preExec", "fcntl", [fd, F.SETFD, FD_CLOEXEC], [String(fd), "F_SETFD", "FD_CLOEXEC"]);
  const blocking = (circumstances.blocking ?? []).map(({ fd, flags }) =>
    call("preExec", "fcntl", [fd, F.SETFL, flags], [String(fd), "F_SETFL", String(flags)])
  );
  const [first, last] = [places[0]?.at, places.at(-1)?.at];
  const back = places.map(({ fd, at }) =>
    call("preExec", "dup3", [at, fd, 0], [String(at), String(fd), "0"])
  );
  const begin = [
    ...back,
    ...(first === undefined || last === undefined ? [] : [
      call("preExec", "close_range", [first, last, 0], [String(first), String(last), "0"]),
    ]),
    closeOnExec(tell),
    closeOnExec(word),
    closeOnExec(image),
    call("preExec", "write", [tell, byte, 1], [String(tell), '"\\4"', "1"]),
    ...blocking,
  ];
  return { calls: [...begin, ...calls], cells };
}

/** The most characters of what a hook throws that an error shows. */
const LONGEST_REPORT = 8000;

/** The error for what a hook reported. */
export function hookError(plan: Plan, report: string): SpawnError {
  const { message: thrown, stack, errno } = JSON.parse(report) as HookFailure;
  const { hook } = stepOf(plan, "preExec");
  // The hook has the arguments and variables of the program in clear, and quotes what it likes.
  const shown = (text: string) => escapedLines(plan.mask(text)).slice(0, LONGEST_REPORT);
  const message = shown(thrown);
  const cause = new Error(message);
  if (stack !== undefined) cause.stack = shown(stack);
  return new SpawnError({
    step: "preExec",
    syscall: "preExec",
    args: [JSON.stringify(hook.module)],
    errno: errno ?? ECANCELED,
    path: hook.module,
    detail: message,
    command: plan.command,
    cause,
  });
}

/** The error for a hook whose runtime ended without a word. */
export function silentHook(plan: Plan): SpawnError {
  return hookError(plan, JSON.stringify({ message: "the runtime ended before the hook did" }));
}

/** The runtime that runs a hook sees what this one sees. */
export function hookRuntime(host: Pick<Host, "environment" | "hook">): HookRuntime {
  const env = Object.entries(host.environment());
  return { command: host.hook, env: env.map(([name, value]) => `${name}=${value}`) };
}

/** Whether a plan's child must be talked to. */
export function needsTalk(plan: Plan): boolean {
  return findStep(plan, "handshake") !== undefined || findStep(plan, "preExec") !== undefined;
}
