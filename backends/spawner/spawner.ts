/**
 * The runtime's own way of starting a program, as the launcher and the portable driver need it.
 * Each runtime folder makes one: `child_process`, `Bun.spawn`, `Deno.Command`.
 *
 * @module
 */

import { process } from "../process.ts";
import type { Exit, Refable, Sink, Source } from "../../core/backend.ts";
import { errnoNumber } from "../../core/tables/errno.ts";
import { KillError } from "../../core/errors.ts";
import { signalNumber } from "../../core/tables/signals.ts";
import { codeOf } from "../../core/error_code.ts";

/**
 * What a descriptor of the child is connected to: nothing, a pipe to the parent, a descriptor of
 * the parent by its number, or a channel that carries bytes in both directions.
 */
export type Stdio = "null" | "pipe" | "channel" | number;

/** What is to be started. */
export interface SpawnRequest {
  readonly path: string;
  readonly argv: readonly string[];
  /** All variables of the child; undefined: those of this process. */
  readonly env: Readonly<Record<string, string>> | undefined;
  readonly cwd?: string | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  /** By the number in the child; a pipe only up to 2, a channel only above. */
  readonly stdio: readonly Stdio[];
  /** Whether the child leads a new session. */
  readonly detached?: boolean;
}

/** A connection in both directions. */
export interface Channel extends Refable {
  /** Writes bytes; what nobody reads any more is lost. */
  write(bytes: Uint8Array): void;
  /** Says what is called with all that arrives, and at the end. Called once. */
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
  /** Sends a signal; false if the child is gone. Throws a KillError if the system refuses. */
  kill(signal: number): boolean;
}

/** What is to be run to its end while the event loop stands still. */
export interface SyncRequest extends Omit<SpawnRequest, "stdio"> {
  readonly stdio: readonly Exclude<Stdio, "channel">[];
  readonly input: Uint8Array | undefined;
  readonly timeout: number | undefined;
  readonly killSignal: number;
  readonly maxBuffer: number;
}

/** What came of it. */
export interface SyncSpawned {
  readonly pid: number;
  readonly exit: Exit;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  readonly timedOut: boolean;
  readonly overflowed: "stdout" | "stderr" | undefined;
  /** Whether the runtime has lost the output. */
  readonly lost?: boolean;
}

/** A refusal to start, by the errno of the system. */
export class StartError extends Error {
  override readonly name: string = "StartError";
  /** Positive. */
  readonly errno: number;

  constructor(errno: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.errno = errno;
  }
}

/** The errno of a runtime's error, positive; undefined if it is not the system's. */
export function errnoOf(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined;
  const { errno, code } = error as { errno?: unknown; code?: unknown };
  if (typeof errno === "number" && errno !== 0) return Math.abs(errno);
  // Only some of Deno's errors carry a code; what comes from the system ends with its number.
  const number = /\(os error (\d+)\)/.exec(error.message)?.[1];
  if (number !== undefined) return Number(number);
  return typeof code === "string" ? errnoNumber(code) : undefined;
}

/** Starts programs. */
export interface Spawner {
  /** Whether this release of the runtime knows an option, instead of ignoring it. Default: it does. */
  accepts?(option: "uid" | "timeout"): boolean;
  /** Rejects with a {@linkcode StartError}, or with the runtime's own permission error. */
  spawn(request: SpawnRequest): Promise<Spawned>;
  /** Throws likewise. */
  spawnSync(request: SyncRequest): SyncSpawned;
}

/** The first of the real-time signals, which no runtime has names for; see signal(7). */
export const REAL_TIME = 32;

/**
 * Stands for a signal that a runtime does not tell: the last number of wait(2), and no signal's.
 * What was ended by a signal is never a success.
 */
const UNKNOWN_SIGNAL = 127;

/** The status as wait(2) has it, of a program that was ended by a signal of that name or number. */
export function rawOfSignal(signal: unknown): number {
  if (typeof signal === "number" && signal > 0) return signal;
  return typeof signal === "string" && signalNumber(signal) || UNKNOWN_SIGNAL;
}

/** Sends a signal by its number; false if the process is gone. It must not have been reaped yet. */
export function sendByNumber(pid: number, signal: number): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if (codeOf(error) === "ESRCH") return false;
    throw killError(pid, signal, error);
  }
}

/** A runtime's refusal to send a signal as a KillError; what has no errno stays what it is. */
export function killError(pid: number, signal: number, cause: unknown): unknown {
  const errno = errnoOf(cause);
  return errno === undefined ? cause : new KillError({ pid, signal, errno, cause });
}

/** Which output is longer than the limit, if one is. */
export function beyond(
  limit: number,
  { stdout, stderr }: Pick<SyncSpawned, "stdout" | "stderr">,
): SyncSpawned["overflowed"] {
  return stdout.length > limit ? "stdout" : stderr.length > limit ? "stderr" : undefined;
}
