/**
 * The result of a command: plain fields, and text that is decoded when it is first read.
 *
 * @module
 */

import type { Status } from "./status.ts";
import { web } from "../web.ts";

export type { Status } from "./status.ts";

/** What the kernel counted for the program and the children it waited for, see getrusage(2). */
export interface Usage {
  /** Time on a processor in user mode, in milliseconds. */
  readonly userMs: number;
  /** Time on a processor in the kernel, in milliseconds. */
  readonly systemMs: number;
  /**
   * The largest resident size, in bytes; `NaN` if it is unknown. Linux counts from before exec, when
   * the child still shared this process's memory. So the size is known only if it is clearly greater
   * than any that this process has had.
   */
  readonly maxRssBytes: number;
}

/** The usage of a process whose resources were not counted. */
export const UNKNOWN_USAGE: Usage = { userMs: NaN, systemMs: NaN, maxRssBytes: NaN };

/** The fields of a {@linkcode Result} that are not derived from others. */
export type ResultFields = Pick<
  Result,
  | "command"
  | "argv"
  | "pid"
  | "status"
  | "stdoutBytes"
  | "stderrBytes"
  | "durationMs"
  | "usage"
  | "timedOut"
  | "drained"
  | "daemonPid"
>;

/**
 * The outcome of one run.
 *
 * @example
 * ```ts
 * import { Command } from "@vircommand/vircommand";
 *
 * const result = await new Command("sh", "-c", "echo out; exit 3").run({ check: false });
 * console.log(result.code, result.stdout); // 3 "out\n"
 * ```
 */
export class Result {
  /**
   * The command for people, as {@linkcode CommandError.command}: secrets and environment values
   * masked, control characters shown by their code, cut if it is very long.
   */
  readonly command: string;
  /** The argument list, secrets masked. */
  readonly argv: readonly string[];
  /** The process id that the program had. It may belong to another process by now. */
  readonly pid: number;
  /** How the program ended. */
  readonly status: Status;
  /** The captured standard output. */
  readonly stdoutBytes: Uint8Array;
  /** The captured standard error. */
  readonly stderrBytes: Uint8Array;
  /** From before the start to the end of program and streams, in milliseconds. */
  readonly durationMs: number;
  /** Processor time and memory. */
  readonly usage: Usage;
  /** Whether it was killed because its time was up. */
  readonly timedOut: boolean;
  /** False if a descendant still held a captured stream open when waiting for it ended. */
  readonly drained: boolean;
  /** The process id of the daemon that was left running, after `daemonize()`. */
  readonly daemonPid: number | undefined;
  #stdout: string | undefined;
  #stderr: string | undefined;

  /** Keeps the fields; decodes nothing. */
  constructor(fields: ResultFields) {
    this.command = fields.command;
    this.argv = fields.argv;
    this.pid = fields.pid;
    this.status = fields.status;
    this.stdoutBytes = fields.stdoutBytes;
    this.stderrBytes = fields.stderrBytes;
    this.durationMs = fields.durationMs;
    this.usage = fields.usage;
    this.timedOut = fields.timedOut;
    this.drained = fields.drained;
    this.daemonPid = fields.daemonPid;
  }

  /** The exit code, or null if a signal ended the program. */
  get code(): number | null {
    return this.status.code;
  }

  /** The signal that ended the program, or null. */
  get signal(): string | null {
    return this.status.signal;
  }

  /** The captured standard output as UTF-8 text. Invalid bytes become U+FFFD. */
  get stdout(): string {
    return this.#stdout ??= decode(this.stdoutBytes);
  }

  /** The captured standard error as UTF-8 text. Invalid bytes become U+FFFD. */
  get stderr(): string {
    return this.#stderr ??= decode(this.stderrBytes);
  }
}

function decode(bytes: Uint8Array): string {
  // A byte order mark is part of the output.
  return new web.TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}
