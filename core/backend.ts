/**
 * The contract between the core and a backend: what a runtime must be able to do so that a plan
 * becomes a process. Core calls it, each folder under backends/ fulfils it, mod.ts brings the two
 * together.
 *
 * @module
 */

import { type KillError, StateError } from "./errors.ts";
import type { Plan } from "./plan/plan.ts";
import type { Usage } from "./result/result.ts";
import type { System } from "./system.ts";
import type { DriverName } from "./drivers.ts";

/** Which runtime and driver serve, and what they can do. */
export interface BackendInfo {
  /** `deno`, `bun` or `node`. */
  readonly runtime: string;
  /** The runtime's own version. */
  readonly version: string;
  /** `native`, `launcher` or `portable`. */
  readonly driver: DriverName;
  /** Operating system, as the runtime names it. */
  readonly os: string;
  /** Processor architecture, as Linux names it: `x86_64`, `aarch64`. */
  readonly arch: string;
  /** Why this driver was chosen, and not the one before it. */
  readonly reason: string;
  /**
   * Native driver: where children go that must not share this process's memory. `memfd`: into a
   * program file in memory; `copy`: into a copy of this process's memory, which costs the more the
   * larger it is. `VIRCOMMAND_STAGE=copy` forces the latter.
   */
  readonly stage?: "memfd" | "copy";
  /**
   * What the kernel or a sandbox lacks of what this driver uses, by the name of the system call or
   * of the flag, and what is done instead. Empty on Linux 5.9 and newer without restrictions.
   */
  readonly missing: Readonly<Record<string, string>>;
  /** Features by their builder method, and whether this driver has them. */
  readonly features: Readonly<Record<string, boolean>>;
}

/** How a child ended. */
export interface Exit {
  /** The status as wait(2) gives it. */
  readonly raw: number;
  readonly usage: Usage;
}

/** Takes what arrives from a descriptor. */
export interface Receiver {
  /**
   * A piece has arrived. If `lent`, the memory is used again once this returns: copy what is
   * needed.
   */
  chunk(bytes: Uint8Array, lent: boolean): void;
  /** No more will come; with an error if reading failed. Called once, not after `close()`. */
  end(error?: Error): void;
}

/** What keeps the runtime's event loop alive until `unref()`, as Node's sockets and timers do. */
export interface Refable {
  ref(): void;
  unref(): void;
}

/** The reading end of a pipe; its owner closes it. */
export interface Source extends Refable {
  /**
   * Starts the flow. Called at most once. A `patient` receiver looks at nothing before the end:
   * what fits the pipe may stay there until the child has ended.
   */
  start(receiver: Receiver, manner?: { readonly patient?: boolean }): void;
  pause(): void;
  resume(): void;
  /** Stops the flow and closes the descriptor. May be called at any time, any number of times. */
  close(): void;
}

/** The writing end of a pipe; its owner closes it. */
export interface Sink extends Refable {
  /**
   * Resolves once the pipe has room for more; rejects with an error whose `code` is `EPIPE` if
   * nobody reads any more. The bytes must not be changed before that.
   */
  write(bytes: Uint8Array): Promise<void>;
  /** Closes the descriptor after everything was written. */
  end(): Promise<void>;
  /** Closes the descriptor at once. May be called at any time, any number of times. */
  close(): void;
}

/** A started child. */
export interface Process extends Refable {
  readonly pid: number;
  readonly stdin?: Sink;
  readonly stdout?: Source;
  readonly stderr?: Source;
  /** For each of the plan's buffers, in order: what to write it to. */
  readonly buffers: readonly Sink[];
  /** Resolves when the child was reaped; rejects if another part of this process has done that. */
  readonly exited: Promise<Exit>;
  /** The daemon that was left running, after `daemonize`; `pid` is the same then. */
  readonly daemonPid?: number;
  /**
   * With a handshake: the child has done everything but exec, and waits. This lets it go on, and
   * resolves when its program runs, or rejects with a SpawnError.
   */
  readonly release?: () => Promise<void>;
  /** Sends a signal; false if the child is gone. Throws a KillError if the system refuses. */
  kill(signal: number): boolean;
}

/** What `runSync` needs besides the plan. */
export interface SyncRun {
  readonly input: Uint8Array | undefined;
  readonly buffers: readonly Uint8Array[];
  /** Milliseconds until `killSignal` is sent, and `grace` more until SIGKILL. */
  readonly timeout: number | undefined;
  readonly killSignal: number;
  readonly grace: number;
  /** Bytes of each captured stream after which the child is killed. */
  readonly maxBuffer: number;
  readonly drain: number;
}

/** What came of a synchronous run. */
export interface SyncOutcome {
  readonly pid: number;
  /** Undefined if it could not be ended: then `refusal` says why. */
  readonly exit: Exit | undefined;
  readonly refusal?: KillError | undefined;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  readonly timedOut: boolean;
  readonly overflowed: "stdout" | "stderr" | undefined;
  readonly drained: boolean;
  readonly daemonPid?: number;
}

/** A value that is seen in one asynchronous context and those that come of it. */
export interface AsyncScope<T> {
  current(): T | undefined;
  /** Calls `fn` in a context that has the value. */
  run<R>(value: T, fn: () => R): R;
  /** Gives the value to the current context from here on. */
  enter(value: T | undefined): void;
}

/** The ways of running a plan. */
export type Verb = "start" | "runSync" | "exec";

/** A driver on a runtime. */
export interface Backend {
  info(): BackendInfo;
  /** Makes a scope of its own. */
  asyncScope<T>(): AsyncScope<T>;
  readonly system: System;
  /**
   * Refuses a plan that this driver cannot carry out in this way, before anything is opened or
   * started. Called once before `start`, `runSync` and `exec`, which rely on it.
   *
   * @throws {UnsupportedError} It cannot.
   */
  check(plan: Plan, verb: Verb): void;
  /**
   * Starts the child. Rejects with a SpawnError or an UnsupportedError, leaving nothing behind. If
   * `cancel` fires meanwhile, the child is killed; a process is returned that has ended so.
   */
  start(plan: Plan, cancel?: AbortSignal): Promise<Process>;
  /** Starts the child, feeds it, gathers its output and waits for it, without the event loop. */
  runSync(plan: Plan, run: SyncRun): SyncOutcome;
  /** Replaces this process by the program. Returns only to throw. */
  exec(plan: Plan): never;
  /** The lines of `explain()`: what would happen between clone and exec. */
  explain(plan: Plan): string[];
  /** Closes a descriptor of this process that was handed over with `closeParent`. */
  closeFd(fd: number): void;
  /** Writes all of `bytes` to a descriptor of this process. */
  writeFd(fd: number, bytes: Uint8Array): void;
}

let make: ((driver: DriverName | undefined) => Backend) | undefined;
const made = new Map<DriverName | undefined, Backend>();

/** Sets how backends are made. Called once, by mod.ts; making them is left to their first use. */
export function useBackend(create: (driver: DriverName | undefined) => Backend): void {
  make = create;
}

/** The backend with that driver, or the one that was chosen for this process. */
export function backend(driver?: DriverName): Backend {
  if (make === undefined) throw new StateError("no backend: import mod.ts, not core");
  const known = made.get(driver);
  if (known !== undefined) return known;
  const fresh = make(driver);
  // The chosen one is not made twice when it is asked for by its name.
  const { driver: name } = fresh.info();
  const one = made.get(name as DriverName) ?? fresh;
  made.set(driver, one).set(name as DriverName, one);
  return one;
}
