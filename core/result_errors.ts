/**
 * The errors about a program that ran. They carry its result.
 *
 * @module
 */

import { CommandError, type ErrorDetails } from "./errors.ts";
import type { Result } from "./result/result.ts";
import { STILL_RUNNING } from "./result/status.ts";

/**
 * The base class of errors about a program that ran; it has the whole result. An
 * {@linkcode AbortError} is a ResultError, too, if there is a result. `json()` throws this class
 * itself if the output is not JSON.
 */
export class ResultError extends CommandError {
  /** The class name. */
  override readonly name: string = "ResultError";
  /** Status, output, times and everything else. */
  readonly result: Result;

  /** Keeps the result beside the message. */
  constructor(
    message: string,
    result: Result,
    options: ErrorDetails = {},
  ) {
    super(message, options);
    this.result = result;
  }

  /**
   * An AbortError is a ResultError if and only if the program was started. It cannot inherit from
   * this class, since one that fired before the start has no result.
   */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return super[Symbol.hasInstance](value) ||
      (this === ResultError && value instanceof AbortError && value.result !== undefined);
  }

  /** The exit code, or null if a signal ended the program. */
  get code(): number | null {
    return this.result.code;
  }

  /**
   * The exit code as a shell would report it: 128 + n after signal n. NaN of a program that could
   * not be ended and is still running.
   */
  get exitCode(): number {
    return exitCodeOf(this.result);
  }

  /** Why the program cannot be ended and still runs; undefined if it has ended. */
  get killError(): CommandError | undefined {
    return this.result.status === STILL_RUNNING ? this.cause as CommandError : undefined;
  }

  /** The signal that ended the program, or null. */
  get signal(): string | null {
    return this.result.signal;
  }

  /** The captured standard output; empty if it was not captured. */
  get stdout(): string {
    return this.result.stdout;
  }

  /** The captured standard error; empty if it was not captured. */
  get stderr(): string {
    return this.result.stderr;
  }
}

function exitCodeOf({ status: { code, raw } }: Result): number {
  return code ?? 128 + (raw & 0x7f);
}

/** The program ended with a status that is not a success. */
export class ExitError extends ResultError {
  /** The class name. */
  override readonly name: string = "ExitError";
}

/** The program had not ended within `timeout` and was killed. */
export class TimeoutError extends ResultError {
  /** The class name. */
  override readonly name: string = "TimeoutError";
}

/** The program wrote more than `maxBuffer` bytes to a captured stream and was killed. */
export class MaxBufferError extends ResultError {
  /** The class name. */
  override readonly name: string = "MaxBufferError";
}

/**
 * The `AbortSignal` fired. `cause` is its reason. If the program was started, this is a
 * {@linkcode ResultError}, too. If the signal fired before that, there is no `result`.
 */
export class AbortError extends CommandError {
  /** The class name. */
  override readonly name: string = "AbortError";
  /** The result until the program was stopped; undefined if nothing was started. */
  readonly result: Result | undefined;
  /** Why the program cannot be ended and still runs; undefined if it has ended. */
  readonly killError: CommandError | undefined;

  /** Keeps the result beside the message. */
  constructor(
    message: string,
    options: ErrorDetails & {
      readonly result?: Result | undefined;
      readonly killError?: CommandError | undefined;
    } = {},
  ) {
    super(message, options);
    this.result = options.result;
    this.killError = options.killError;
  }

  /** The exit code, or null if a signal ended the program. */
  get code(): number | null | undefined {
    return this.result?.code;
  }

  /** The exit code as a shell would report it: 128 + n after signal n. */
  get exitCode(): number | undefined {
    return this.result === undefined ? undefined : exitCodeOf(this.result);
  }

  /** The signal that ended the program, or null. */
  get signal(): string | null | undefined {
    return this.result?.signal;
  }

  /** The captured standard output; empty if it was not captured. */
  get stdout(): string | undefined {
    return this.result?.stdout;
  }

  /** The captured standard error; empty if it was not captured. */
  get stderr(): string | undefined {
    return this.result?.stderr;
  }
}
