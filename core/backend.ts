/**
 * The contract between the core and a backend: what a runtime must do to turn a plan into a process.
 * Core calls it, the folders under backends/ implement it, and mod.ts connects the two.
 *
 * @module
 */

import { type KillError, StateError } from "./errors.ts";
import type { Plan } from "./plan/plan.ts";
import type { Usage } from "./result/result.ts";
import type { System } from "./system.ts";
import type { DriverName } from "./drivers.ts";

/** The runtime, the driver, and what they can do. */
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
  /** Why this driver was chosen, and not a better one. */
  readonly reason: string;
  /**
   * Native driver: how children leave the memory of this process if they must not share it. `memfd`:
   * they execute a program file in memory. `copy`: the memory is copied, which costs more the larger
   * it is. `VIRCOMMAND_STAGE=copy` forces the latter.
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
  /** The status as wait(2) returns it. */
  readonly raw: number;
  readonly usage: Usage;
}

/** Gets the data of a source. */
export interface Receiver {
  /**
   * A piece has arrived. If `lent`, the memory is reused when this returns: copy what is needed.
   */
  chunk(bytes: Uint8Array, lent: boolean): void;
  /** The data has ended; with an error if reading failed. Called once, and not after `close()`. */
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
   * Starts to read. Called at most once. A `patient` receiver needs the data only at its end: what
   * fits into the pipe may stay there until the child has ended.
   */
  start(receiver: Receiver, manner?: { readonly patient?: boolean }): void;
  pause(): void;
  resume(): void;
  /** Whether the pipe has something to read, or has ended. Missing where that cannot be asked. */
  isReadable?(): boolean;
  /** Stops reading and closes the descriptor. May be called at any time, any number of times. */
  close(): void;
}

/** The writing end of a pipe; its owner closes it. */
export interface Sink extends Refable {
  /**
   * Resolves when the pipe has room for more. Rejects with an error with the `code` `EPIPE` if the
   * pipe has no reader. The bytes must not be changed before that.
   */
  write(bytes: Uint8Array): Promise<void>;
  /** Closes the descriptor after everything is written. */
  end(): Promise<void>;
  /** Closes the descriptor immediately. May be called at any time, any number of times. */
  close(): void;
}

/** A started child. */
export interface Process extends Refable {
  readonly pid: number;
  readonly stdin?: Sink;
  readonly stdout?: Source;
  readonly stderr?: Source;
  /** The pipes of the plan's buffers, in order. */
  readonly buffers: readonly Sink[];
  /** Resolves when the child was reaped; rejects if another part of this process has done that. */
  readonly exited: Promise<Exit>;
  /** The daemon that was left running, after `daemonize`; `pid` is the same then. */
  readonly daemonPid?: number;
  /**
   * With a handshake: the child waits before exec. This makes it continue, and resolves when its
   * program runs, or rejects with a SpawnError.
   */
  readonly release?: () => Promise<void>;
  /** Sends a signal; false if the child is gone. Throws a KillError if the system refuses. */
  kill(signal: number): boolean;
}

/** The parameters of `runSync` besides the plan. */
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

/** The outcome of a synchronous run. */
export interface SyncOutcome {
  readonly pid: number;
  /** Undefined if the child cannot be ended: `refusal` is the reason. */
  readonly exit: Exit | undefined;
  readonly refusal?: KillError | undefined;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  readonly timedOut: boolean;
  readonly overflowed: "stdout" | "stderr" | undefined;
  readonly drained: boolean;
  readonly daemonPid?: number;
}

/** A value of an asynchronous context and of those that it starts. */
export interface AsyncScope<T> {
  current(): T | undefined;
  /** Calls `fn` in a context that has the value. */
  run<R>(value: T, fn: () => R): R;
  /** Sets the value of the current context from here on. */
  enter(value: T | undefined): void;
}

/** The ways of running a plan. */
export type Verb = "start" | "runSync" | "exec";

/** A driver on a runtime. */
export interface Backend {
  readonly driver: DriverName;
  info(): BackendInfo;
  /** Makes a new scope. */
  asyncScope<T>(): AsyncScope<T>;
  readonly system: System;
  /**
   * Checks that this driver can carry out a plan in this way. Called once before `start`, `runSync`
   * and `exec`, which rely on it, and before anything is opened or started.
   *
   * @throws {UnsupportedError} This driver cannot.
   */
  check(plan: Plan, verb: Verb): void;
  /**
   * Starts the child. Rejects with a SpawnError or an UnsupportedError, and then leaves nothing
   * behind. If `cancel` fires meanwhile, the child is killed, and the returned process has ended.
   */
  start(plan: Plan, cancel?: AbortSignal): Promise<Process>;
  /** Runs the child to its end without the event loop: writes its input and captures its output. */
  runSync(plan: Plan, run: SyncRun): SyncOutcome;
  /** Replaces this process by the program. Returns only to throw. */
  exec(plan: Plan): never;
  /** Returns the lines of `explain()`: the steps and calls between clone and exec. */
  explain(plan: Plan): string[];
  /** Closes a descriptor of this process, for `closeParent`. */
  closeFd(fd: number): void;
  /**
   * Reaps processes that were given to this one when their parent has ended; returns what stops it.
   * Only the native driver can.
   */
  reapOrphans?(subreaper: boolean): () => void;
  /** Writes all of `bytes` to a descriptor of this process. */
  writeFd(fd: number, bytes: Uint8Array): void;
}

let make: ((driver: DriverName | undefined) => Backend) | undefined;
const made = new Map<DriverName | undefined, Backend>();

/** Sets how backends are made. Called once, by mod.ts. They are made when they are first needed. */
export function useBackend(create: (driver: DriverName | undefined) => Backend): void {
  make = create;
}

/** Returns the backend with this driver; without a driver, the one of this process. */
export function backend(driver?: DriverName): Backend {
  if (make === undefined) throw new StateError("no backend: import mod.ts, not core");
  const known = made.get(driver);
  if (known !== undefined) return known;
  const fresh = make(driver);
  // So that the default one is not made again when a caller names its driver.
  const one = made.get(fresh.driver) ?? fresh;
  made.set(driver, one).set(fresh.driver, one);
  return one;
}
