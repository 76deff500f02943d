/**
 * The runtime's own way of starting a program, as the launcher and the portable driver need it.
 * Each runtime folder implements it: `child_process`, `Bun.spawn`, `Deno.Command`.
 *
 * @module
 */

import { process } from "../process.ts";
import type { Exit, Refable, Sink, Source } from "../../core/backend.ts";
import { errnoNumber } from "../../core/tables/errno.ts";
import { KillError } from "../../core/errors.ts";
import { signalNumber } from "../../core/tables/signals.ts";
import { codeOf, isError } from "../../core/error_code.ts";

/**
 * What a descriptor of the child is connected to: nothing, a pipe to the parent, a descriptor of
 * the parent by its number, or a channel that carries bytes in both directions.
 */
export type Stdio = "null" | "pipe" | "channel" | number;

/** The program to start, and how. */
export interface SpawnRequest {
  readonly path: string;
  readonly argv: readonly string[];
  /** All variables of the child; undefined for those of this process. */
  readonly env: Readonly<Record<string, string>> | undefined;
  readonly cwd?: string | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  /** By the number in the child. A pipe can only be 0 to 2, a channel only above. */
  readonly stdio: readonly Stdio[];
  /** Whether the child leads a new session. */
  readonly detached?: boolean;
}

/** A connection in both directions. */
export interface Channel extends Refable {
  /** Writes bytes. They are lost if nobody reads any more. */
  write(bytes: Uint8Array): void;
  /** Sets the functions to call with all bytes that arrive, and at the end. Called once. */
  listen(received: (bytes: Uint8Array) => void, ended: () => void): void;
  close(): void;
}

/** A program that was started. */
export interface Spawned extends Refable {
  readonly pid: number;
  readonly stdin: Sink | undefined;
  readonly stdout: Source | undefined;
  readonly stderr: Source | undefined;
  /** The one channel, if one was asked for. */
  readonly channel: Channel | undefined;
  readonly exited: Promise<Exit>;
  /** Sends a signal; false if the child has ended. Throws a KillError if the system refuses. */
  kill(signal: number): boolean;
}

/** The program to run while the event loop waits. */
export interface SyncRequest extends Omit<SpawnRequest, "stdio"> {
  readonly stdio: readonly Exclude<Stdio, "channel">[];
  readonly input: Uint8Array | undefined;
  readonly timeout: number | undefined;
  readonly killSignal: number;
  readonly maxBuffer: number;
}

/** The outcome of a program that was run so. */
export interface SyncSpawned {
  readonly pid: number;
  readonly exit: Exit;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  readonly timedOut: boolean;
  readonly overflowed: "stdout" | "stderr" | undefined;
  /** Whether the runtime has lost the output. Default: false. */
  readonly lost?: boolean;
}

/** A program that could not be started, with the errno of the system. */
export class StartError extends Error {
  override readonly name: string = "StartError";
  /** Positive. */
  readonly errno: number;

  constructor(errno: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.errno = errno;
  }
}

/** Returns the errno of a runtime's error, positive; undefined if the error is not the system's. */
export function errnoOf(error: unknown): number | undefined {
  if (!isError(error)) return undefined;
  const { errno, code } = error as { errno?: unknown; code?: unknown };
  if (typeof errno === "number" && errno !== 0) return Math.abs(errno);
  // Not all of Deno's errors have a code, but those from the system end with the errno.
  const number = /\(os error (\d+)\)/.exec(error.message)?.[1];
  if (number !== undefined) return Number(number);
  return typeof code === "string" ? errnoNumber(code) : undefined;
}

/**
 * Returns a runtime's error as a StartError; an error without an errno, such as that of a
 * permission, as it is.
 */
export function startErrorOf(error: unknown): unknown {
  const errno = errnoOf(error);
  if (errno === undefined) return error;
  return new StartError(errno, (error as Error).message, { cause: error });
}

/** Calls `start`, and throws its error as {@linkcode startErrorOf} returns it. */
export function throwingStartErrors<T>(start: () => T): T {
  try {
    return start();
  } catch (error) {
    throw startErrorOf(error);
  }
}

/** Starts programs. */
export interface Spawner {
  /**
   * Reports whether this release of the runtime has an option; it ignores those that it does not
   * have. Default: it has all.
   */
  accepts?(option: "uid" | "timeout" | "maxBuffer"): boolean;
  /**
   * Rejects with a {@linkcode StartError}, or with the runtime's own error for a missing
   * permission.
   */
  spawn(request: SpawnRequest): Promise<Spawned>;
  /** Throws the same errors. */
  spawnSync(request: SyncRequest): SyncSpawned;
}

/** The first real-time signal of the kernel. No runtime has names for these, see signal(7). */
export const FIRST_REAL_TIME = 32;

/**
 * Stands for a signal that the runtime does not name: the largest number that fits the status of
 * wait(2), which is no signal. A program that a signal has ended is never a success.
 */
const UNKNOWN_SIGNAL = 127;

/** Returns an exit code, or else a signal by its name or number, as the status of wait(2). */
export function rawStatus(code: number | null | undefined, signal: unknown): number {
  const exited = typeof code === "number" && (signal === null || signal === undefined);
  return exited ? code << 8 : rawOfSignal(signal);
}

/**
 * Returns the status of wait(2) for a program that was ended by a signal of that name or number.
 */
export function rawOfSignal(signal: unknown): number {
  if (typeof signal === "number" && signal > 0) return signal;
  return typeof signal === "string" && signalNumber(signal) || UNKNOWN_SIGNAL;
}

/** Sends a signal to a process that was not reaped yet; false if it has ended. */
export function sendByNumber(pid: number, signal: number): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if (codeOf(error) === "ESRCH") return false;
    throw killError(pid, signal, error);
  }
}

/**
 * Returns a runtime's error from sending a signal as a KillError; an error without errno as it is.
 */
export function killError(pid: number, signal: number, cause: unknown): unknown {
  const errno = errnoOf(cause);
  return errno === undefined ? cause : new KillError({ pid, signal, errno, cause });
}

/** Returns which output is longer than the limit, if one is. */
export function overflowOf(
  limit: number,
  { stdout, stderr }: Pick<SyncSpawned, "stdout" | "stderr">,
): SyncSpawned["overflowed"] {
  return stdout.length > limit ? "stdout" : stderr.length > limit ? "stderr" : undefined;
}

/**
 * Returns what `child_process` and `Bun.spawn` call a connection; they make a channel of a pipe.
 */
export function stdioOption(stdio: Stdio): "ignore" | "pipe" | number {
  return stdio === "null" ? "ignore" : stdio === "channel" ? "pipe" : stdio;
}
