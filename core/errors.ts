/**
 * The errors, as classes with fields for programs and a message for people. The first line of a
 * message makes sense alone in a log: what was attempted, on what, why it failed and, if there is
 * one, the way out. Errors about a program that ran are in result_errors.ts.
 *
 * @module
 */

import { errnoName, errnoText } from "./tables/errno.ts";
import { displayArgument, escaped, escapedLines, quoted } from "./text/escape.ts";
import { signalName } from "./tables/signals.ts";

/** The parts of an error besides its message. */
export interface ErrorDetails {
  /** The command, with secrets and environment values masked. */
  readonly command?: string | undefined;
  /** The original error. */
  readonly cause?: unknown;
  /** Output of a program, masked. It is quoted below the message, on separate lines. */
  readonly output?: string | undefined;
}

/**
 * The base class of all errors of this library. Every error that its functions throw or reject with
 * is one, except those of the caller's own code: an error of an iterable for `stdin`, a callback or a
 * handler reaches the caller unchanged.
 *
 * Messages are safe to print: control characters and marks that change the direction of text are
 * shown by their code (`\x1b`), and only the quoted output of a program has several lines.
 */
export class CommandError extends Error {
  /** The class name, as for every built-in error. */
  override readonly name: string = "CommandError";
  /**
   * The command for people: as `toString()` shows it, with secrets and environment values masked,
   * control characters shown by their code, and cut if it is very long.
   */
  readonly command: string | undefined;

  /** Takes the message and, where it is known, the masked command. */
  constructor(message: string, options: ErrorDetails = {}) {
    const { cause, command, output } = options;
    const below = output === undefined ? "" : `\n${escapedLines(output)}`;
    super(escaped(message) + below, cause === undefined ? undefined : { cause });
    this.command = command === undefined ? undefined : escaped(command);
  }

  /**
   * An error of another copy of this library counts by the name of its class: one process may have
   * loaded both the ES modules and the CommonJS build, or one in each realm of a test runner.
   */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return Function.prototype[Symbol.hasInstance].call(this, value) ||
      (isOurs(value) && classNames(value).includes(this.name));
  }
}

/** What the errors of all copies of this library have. */
const MARK = Symbol.for("vircommand.error");
Object.defineProperty(CommandError.prototype, MARK, { value: true });

function isOurs(value: unknown): value is object {
  return typeof value === "object" && value !== null && MARK in value;
}

/** The names of the classes of an object, its own first. */
function classNames(value: object): string[] {
  const names: string[] = [];
  for (let at = Object.getPrototypeOf(value); at !== null; at = Object.getPrototypeOf(at)) {
    names.push((at as { constructor?: { name?: string } }).constructor?.name ?? "");
  }
  return names;
}

/**
 * A builder method was used wrongly. Builder methods never throw: the command keeps the first misuse,
 * with the stack of the wrong call, and the first method that needs the command throws it.
 */
export class UsageError extends CommandError {
  /** The class name. */
  override readonly name: string = "UsageError";
}

/** The right call at the wrong moment, such as a second `handshakeNotify()`. */
export class StateError extends CommandError {
  /** The class name. */
  override readonly name: string = "StateError";
}

/** This runtime, driver or kernel cannot do what the command asks for. Nothing was started. */
export class UnsupportedError extends CommandError {
  /** The class name. */
  override readonly name: string = "UnsupportedError";
  /** What was asked for, by the name of its builder method: `umask`, `passFd`. */
  readonly feature: string;
  /** The driver that had to refuse: `native`, `launcher` or `portable`. */
  readonly driver: string;
  /** How to make it work. */
  readonly remedy: string;

  /** Composes the message from the three fields. */
  constructor(
    fields: {
      feature: string;
      driver: string;
      remedy: string;
      reason?: string;
      command?: string;
      cause?: unknown;
    },
  ) {
    const why = fields.reason === undefined ? "" : ` (${fields.reason})`;
    super(
      `${fields.feature} is not supported by the ${fields.driver} driver${why}: ${fields.remedy}`,
      fields,
    );
    this.feature = fields.feature;
    this.driver = fields.driver;
    this.remedy = fields.remedy;
  }
}

/**
 * The permission model of the runtime refused something: Deno without `--allow-run`, Node with
 * `--permission`. `cause` is the runtime's own error. Nothing was started.
 */
export class PermissionError extends CommandError {
  /** The class name. */
  override readonly name: string = "PermissionError";
  /** The runtime's name for its error: `NotCapable` (Deno), `ERR_ACCESS_DENIED` (Node). */
  readonly code: string;
  /** The missing permission, by the runtime's name: `run`, `env`, `ChildProcess`. */
  readonly permission: string | undefined;
  /** The resource, such as the path of a program; undefined if the runtime names none. */
  readonly resource: string | undefined;

  /** Composes the message from what the runtime reported. */
  constructor(
    reported: string,
    fields: ErrorDetails & {
      code: string;
      permission?: string | undefined;
      resource?: string | undefined;
    },
  ) {
    const { permission, resource, command } = fields;
    const name = permission === undefined ? "" : `: ${permission}`;
    const on = resource === undefined ? "" : ` ${quoted(resource)}`;
    const suffix = command === undefined ? "" : `; command: ${command}`;
    super(`not permitted by the runtime${name}${on}: ${reported}${suffix}`, fields);
    this.code = fields.code;
    this.permission = permission;
    this.resource = resource;
  }
}

/** The details of a failed system call of this process. */
export interface SystemCallFailure extends ErrorDetails {
  /** The file or folder at fault, if one is. */
  readonly path?: string | undefined;
  /** More on the cause, where the error number alone would mislead. */
  readonly detail?: string | undefined;
}

/**
 * A system call that this process made for a command failed, for a reason that lies in the system:
 * no memory, a broken device. While a program is being started that is a {@linkcode SpawnError}.
 */
export class SystemCallError extends CommandError {
  /** The class name. */
  override readonly name: string = "SystemCallError";
  /** The system call that failed. */
  readonly syscall: string;
  /** The error number, positive: 24 for `EMFILE`. */
  readonly errno: number;
  /** The name of the error number: `EMFILE`. */
  readonly code: string;
  /** The file or folder at fault, if one is. */
  readonly path: string | undefined;

  /** Composes the message. */
  constructor(syscall: string, errno: number, failure: SystemCallFailure = {}) {
    requireErrno(syscall, errno, failure);
    const { path, detail, command } = failure;
    const code = errnoName(errno);
    const on = path === undefined ? "" : ` ${quoted(path)}`;
    const suffix = command === undefined ? "" : `; command: ${command}`;
    super(`${syscall}${on}: ${code}: ${detail ?? errnoText(errno)}${suffix}`, failure);
    this.syscall = syscall;
    this.errno = errno;
    this.code = code;
    this.path = path;
  }
}

/** The largest error number: the kernel returns no other negative results, see errno.h. */
const MAX_ERRNO = 4095;

/** Reports whether a number can be an error number. */
export function isErrno(number: number): boolean {
  return Number.isInteger(number) && number >= 1 && number <= MAX_ERRNO;
}

/**
 * Throws if a result is not an error number. Then it is a mistake of this library, and an error with
 * this number would blame the system.
 */
function requireErrno(call: string, errno: number, { command, cause }: ErrorDetails): void {
  if (isErrno(errno)) return;
  throw new CommandError(
    `internal error: ${call} failed, but ${errno} is no error number: please report this`,
    { command, cause },
  );
}

/** The details of a child that did not reach its program. */
export interface SpawnFailure {
  /** The step of the plan that failed: `umask`, `fds`, `limits`, `chdir`, `exec`, … */
  readonly step: string;
  /** The system call that failed, without its arguments. */
  readonly syscall: string;
  /** Its arguments as `strace` would print them, secrets and environment values masked. */
  readonly args: readonly string[];
  /** The error number, positive. */
  readonly errno: number;
  /** The file or folder at fault, if one is. */
  readonly path?: string | undefined;
  /** The message of a `preExec` module, or another explanation. */
  readonly detail?: string | undefined;
  /** The command, masked. */
  readonly command?: string | undefined;
  /** The original error, such as the one that a `preExec` module threw. */
  readonly cause?: unknown;
}

/**
 * The program never ran: one of the steps between clone and exec failed, and no process is left.
 *
 * @example
 * ```ts
 * import { Command, SpawnError } from "@vircommand/vircommand";
 *
 * try {
 *   await new Command("/nowhere/program").run();
 * } catch (error) {
 *   if (!(error instanceof SpawnError)) throw error;
 *   console.log(error.step, error.code, error.path, error.exitCode); // exec ENOENT … 127
 * }
 * ```
 */
export class SpawnError extends CommandError {
  /** The class name. */
  override readonly name: string = "SpawnError";
  /** The step of the plan that failed. */
  readonly step: string;
  /** The system call that failed. */
  readonly syscall: string;
  /** The arguments of that call for people: as in the message. */
  readonly args: readonly string[];
  /** The error number, positive: 2 for `ENOENT`. */
  readonly errno: number;
  /** The name of the error number: `ENOENT`. */
  readonly code: string;
  /** The file or folder at fault, if one is, exactly. */
  readonly path: string | undefined;
  /** The status a shell or libvirt would report: 127, 126 or 125. */
  readonly exitCode: number;

  /** Composes the message from the failure. */
  constructor(failure: SpawnFailure) {
    requireErrno(`${failure.syscall} of step ${failure.step}`, failure.errno, failure);
    const code = errnoName(failure.errno);
    const args = failure.args.map(displayArgument);
    const call = `${failure.syscall}(${args.join(", ")})`;
    const reason = failure.detail ?? `${code}: ${errnoText(failure.errno)}`;
    const what = failure.path === undefined ? call : quoted(failure.path);
    const blamed = failure.path === undefined ? "" : ` [${call}]`;
    const command = failure.command === undefined ? "" : `; command: ${failure.command}`;
    super(`cannot start: step ${failure.step}: ${what}: ${reason}${blamed}${command}`, failure);
    this.step = failure.step;
    this.syscall = failure.syscall;
    this.args = args;
    this.errno = failure.errno;
    this.code = code;
    this.path = failure.path;
    this.exitCode = failure.step !== "exec" ? 125 : code === "ENOENT" ? 127 : 126;
  }

  /** The same as {@linkcode SpawnError.code}. */
  get errnoName(): string {
    return this.code;
  }
}

/** The details of a signal that could not be sent. */
export interface KillFailure {
  /** The process that it was meant for. */
  readonly pid: number;
  /** The number of the signal. */
  readonly signal: number;
  /** The error number, positive. */
  readonly errno: number;
  /** The command, masked. */
  readonly command?: string | undefined;
  /** The original error, such as that of the runtime. */
  readonly cause?: unknown;
}

/**
 * A signal could not be sent to a program that is still running. The usual reason is EPERM: the
 * program runs as another user, and this process lacks the capability `kill`.
 *
 * @example
 * ```ts
 * import { Command, KillError } from "@vircommand/vircommand";
 *
 * const child = await new Command("sleep", 0.1).spawn();
 * try {
 *   child.kill("SIGTERM");
 * } catch (error) {
 *   if (!(error instanceof KillError)) throw error;
 *   console.log(error.code, error.pid, error.signal); // EPERM … SIGTERM
 * }
 * await child.wait({ check: false });
 * ```
 */
export class KillError extends CommandError {
  /** The class name. */
  override readonly name: string = "KillError";
  /** The process that the signal was meant for. It has not been reaped. */
  readonly pid: number;
  /** The signal by its name: `SIGTERM`. */
  readonly signal: string;
  /** The error number, positive: 1 for `EPERM`. */
  readonly errno: number;
  /** The name of the error number: `EPERM`. */
  readonly code: string;

  /** Composes the message from the failure. */
  constructor(failure: KillFailure) {
    const { pid, errno, command } = failure;
    const [signal, code] = [signalName(failure.signal), errnoName(errno)];
    const suffix = command === undefined ? "" : `; command: ${command}`;
    super(
      `cannot send ${signal} to process ${pid}: ${code}: ${errnoText(errno)}${suffix}`,
      failure,
    );
    this.pid = pid;
    this.signal = signal;
    this.errno = errno;
    this.code = code;
  }
}

/** The child ended between the two halves of a handshake. */
export class HandshakeError extends CommandError {
  /** The class name. */
  override readonly name: string = "HandshakeError";
}
