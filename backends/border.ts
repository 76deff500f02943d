/**
 * The border between a backend and the core. A driver throws the errors of the kernel, of the
 * runtime and of bugs as they are. Here, and only here, each becomes a CommandError that names the
 * step or the system call and has the original as its cause.
 *
 * Errors that the caller's own code throws (iterables, streams, callbacks) never pass here: the
 * core calls that code, not a backend.
 *
 * @module
 */

import { isError } from "../core/error_code.ts";
import type { Backend, Process, Receiver, Sink, Source, SyncOutcome } from "../core/backend.ts";
import type { System } from "../core/system.ts";
import { errnoName, errnoNumber } from "../core/tables/errno.ts";
import { CommandError, PermissionError, SpawnError, SystemCallError } from "../core/errors.ts";
import { own } from "../core/own.ts";
import type { Plan } from "../core/plan/plan.ts";
import { isRefusedByRuntime } from "./posix/files.ts";
import { errnoOf } from "./spawner/spawner.ts";

/** What was done when an error occurred. */
interface Operation {
  /** The system call to name if the error names none. */
  readonly syscall: string;
  /** The plan, if the error concerns one. Its command is only formatted if there is an error. */
  readonly plan?: Pick<Plan, "command"> | undefined;
}

/** Returns a backend whose errors are all CommandErrors. */
export function guarded(make: () => Backend): Backend {
  const inner = attempt({ syscall: "open" }, make);
  return {
    driver: inner.driver,
    info: () => attempt({ syscall: "read" }, () => inner.info()),
    asyncScope: () => inner.asyncScope(),
    system: guardedSystem(inner.system),
    check(plan, verb) {
      try {
        inner.check(plan, verb);
      } catch (error) {
        throw startError(error, plan);
      }
    },
    async start(plan, cancel) {
      try {
        return guardedProcess(await inner.start(plan, cancel));
      } catch (error) {
        throw startError(error, plan);
      }
    },
    runSync(plan, run): SyncOutcome {
      try {
        return inner.runSync(plan, run);
      } catch (error) {
        const commandError = asCommandError(error, { syscall: "clone", plan });
        throw isFromRunning(commandError) ? commandError : startError(commandError, plan);
      }
    },
    exec(plan): never {
      try {
        return inner.exec(plan);
      } catch (error) {
        throw startError(error, plan);
      }
    },
    explain: (plan) => attempt({ syscall: "read", plan }, () => inner.explain(plan)),
    ...(inner.reapOrphans === undefined ? {} : {
      reapOrphans: (subreaper) =>
        attempt({ syscall: "prctl" }, () => inner.reapOrphans?.(subreaper) ?? (() => {})),
    }),
    closeFd: (fd) => attempt({ syscall: "close" }, () => inner.closeFd(fd)),
    writeFd: (fd, bytes) => attempt({ syscall: "write" }, () => inner.writeFd(fd, bytes)),
  };
}

/** Calls `action`, and throws its error as a CommandError. */
function attempt<T>(operation: Operation, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw asCommandError(error, operation);
  }
}

/**
 * Returns the error of a start: a system call that failed has prevented the program from running.
 */
function startError(error: unknown, plan: Plan): CommandError {
  const commandError = asCommandError(error, { syscall: "clone", plan });
  if (!(commandError instanceof SystemCallError)) return commandError;
  const { syscall, errno, path } = commandError;
  return new SpawnError({
    step: stepOf(syscall),
    syscall,
    args: path === undefined ? [] : [JSON.stringify(path)],
    errno,
    path,
    command: plan.command,
    cause: commandError.cause ?? commandError,
  });
}

/** The calls by which this process opens the descriptors of a child. */
const DESCRIPTOR_CALLS: ReadonlySet<string> = new Set([
  "open",
  "openat",
  "pipe2",
  "socketpair",
  "memfd_create",
  "fcntl",
  "fstat",
  "mkdtemp",
  "write",
  "listen",
  "connect",
]);

/** Returns the step that a call of this process belongs to. */
function stepOf(syscall: string): string {
  return DESCRIPTOR_CALLS.has(syscall) ? "fds" : "clone";
}

/**
 * The calls that a synchronous run makes after the program has started, and that no start makes.
 */
const CALLS_WHILE_RUNNING: ReadonlySet<string> = new Set([
  "ppoll",
  "waitid",
  "pidfd_send_signal",
  "read",
  "fstat",
]);

/** Reports whether an error of a synchronous run occurred after the program had started. */
function isFromRunning(error: CommandError): boolean {
  if (!(error instanceof SystemCallError)) return false;
  // A program that was started has not read its input.
  const isUnread = error.syscall === "write" && error.code === "EPIPE";
  return isUnread || CALLS_WHILE_RUNNING.has(error.syscall);
}

/** Returns an error as a CommandError: itself if it is one, else a new one with it as its cause. */
export function asCommandError(error: unknown, { syscall, plan }: Operation): CommandError {
  if (error instanceof CommandError) return error;
  const command = plan?.command;
  const cause = withoutArguments(error);
  const message = isError(error) ? error.message : String(error);
  if (isRefusedByRuntime(error)) {
    return new PermissionError(message, { ...refusedPermission(error), command, cause });
  }
  const errno = errnoOf(error);
  // Runtimes have numbers for errors that are not the system's: UV_UNKNOWN is 4094.
  if (errno !== undefined && errnoNumber(errnoName(errno)) === errno) {
    const { syscall: reported, path } = error as { syscall?: unknown; path?: unknown };
    // libuv uses its own names: `uv_cwd`, or `spawn /bin/true`.
    const call = typeof reported === "string" && /^[a-z]\w*$/.test(reported)
      ? reported.replace(/^uv_cwd$/, "getcwd")
      : syscall;
    return new SystemCallError(call, errno, {
      path: typeof path === "string" ? path : undefined,
      command,
      cause,
    });
  }
  const suffix = command === undefined ? "" : `; command: ${command}`;
  return new CommandError(`unexpected error: ${message}${suffix}`, { command, cause });
}

/** Removes the arguments of the program from Node's error: it has secrets in plain text. */
function withoutArguments(error: unknown): unknown {
  if (isError(error)) delete (error as { spawnargs?: unknown }).spawnargs;
  return error;
}

/** The fields of Node's error for a missing permission. */
interface NodePermissionError {
  readonly code?: unknown;
  readonly permission?: unknown;
  readonly resource?: unknown;
}

/** Returns what was refused: from the fields of Node's error, or from the message of Deno's. */
function refusedPermission(
  error: Error,
): { code: string; permission: string | undefined; resource: string | undefined } {
  const text = (value: unknown) => typeof value === "string" && value !== "" ? value : undefined;
  const { code, permission, resource } = error as Error & NodePermissionError;
  const [, access, on] = /^Requires (\w+) access(?: to "([^"]*)")?/.exec(error.message) ?? [];
  return {
    code: text(code) ?? error.name,
    permission: text(permission) ?? text(access),
    resource: text(resource) ?? text(on),
  };
}

function guardedSystem(system: System): System {
  const guard =
    <A extends unknown[], T>(syscall: string, call: (...args: A) => T) => (...args: A) =>
      attempt({ syscall }, () => call(...args));
  return {
    environment: guard("environ", () => system.environment()),
    variable: guard("getenv", (name) => system.variable(name)),
    currentFolder: guard("getcwd", () => system.currentFolder()),
    access: guard("faccessat2", (path) => system.access(path)),
    elevated: guard("getauxval", () => system.elevated()),
    userByName: guard("getpwnam_r", (name) => system.userByName(name)),
    userById: guard("getpwuid_r", (uid) => system.userById(uid)),
    groupsOf: guard("getgrouplist", (name, gid) => system.groupsOf(name, gid)),
    capabilities: guard("capget", () => system.capabilities()),
    startingNofile: guard("prlimit64", () => system.startingNofile()),
  };
}

function guardedProcess(process: Process): Process {
  const { stdin, stdout, stderr, buffers, release } = own(process);
  return {
    ...process,
    ...(stdin === undefined ? {} : { stdin: guardedSink(stdin) }),
    ...(stdout === undefined ? {} : { stdout: guardedSource(stdout) }),
    ...(stderr === undefined ? {} : { stderr: guardedSource(stderr) }),
    buffers: buffers.length === 0 ? buffers : buffers.map(guardedSink),
    exited: process.exited.catch(rejecting("waitid")),
    ...(release === undefined ? {} : { release: () => release().catch(rejecting("write")) }),
    kill: (signal) => attempt({ syscall: "kill" }, () => process.kill(signal)),
  };
}

/** Returns a function that throws an error as a CommandError, for the end of a promise. */
function rejecting(syscall: string): (error: unknown) => never {
  return (error) => {
    throw asCommandError(error, { syscall });
  };
}

function guardedSink(sink: Sink): Sink {
  return {
    ...sink,
    write: (bytes) => sink.write(bytes).catch(rejecting("write")),
    end: () => sink.end().catch(rejecting("close")),
  };
}

function guardedSource(source: Source): Source {
  return {
    ...source,
    start: (receiver, manner) => source.start(guardedReceiver(receiver), manner),
  };
}

function guardedReceiver(receiver: Receiver): Receiver {
  return {
    ...receiver,
    end: (error) =>
      receiver.end(error === undefined ? error : asCommandError(error, { syscall: "read" })),
  };
}
