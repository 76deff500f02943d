/**
 * The border between a backend and the core. Below it, errors are whatever a kernel, a runtime or a
 * mistake of ours makes of them; above it, every error is a CommandError that names the step or the
 * system call and keeps the original as its cause. This is the one place where that is done: a
 * driver throws what it meets.
 *
 * What the caller's own code throws (iterables, streams, callbacks) never passes here: the core
 * calls it, not a backend.
 *
 * @module
 */

import type { Backend, Process, Receiver, Sink, Source, SyncOutcome } from "../core/backend.ts";
import type { System } from "../core/system.ts";
import { errnoName, errnoNumber } from "../core/tables/errno.ts";
import { CommandError, PermissionError, SpawnError, SystemCallError } from "../core/errors.ts";
import { own } from "../core/own.ts";
import type { Plan } from "../core/plan/plan.ts";
import { isRefusedByRuntime } from "./posix/files.ts";
import { errnoOf } from "./spawner/spawner.ts";

/** What was being done when an error came up. */
interface Operation {
  /** The system call to name where the error names none. */
  readonly syscall: string;
  /** The command, if one is concerned. Not made before there is an error. */
  readonly plan?: Pick<Plan, "command"> | undefined;
}

/** Makes a backend whose every error is a CommandError. */
export function guarded(make: () => Backend): Backend {
  const inner = attempt({ syscall: "open" }, make);
  return {
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
        const known = asCommandError(error, { syscall: "clone", plan });
        throw isOfRunning(known) ? known : startError(known, plan);
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
    closeFd: (fd) => attempt({ syscall: "close" }, () => inner.closeFd(fd)),
    writeFd: (fd, bytes) => attempt({ syscall: "write" }, () => inner.writeFd(fd, bytes)),
  };
}

function attempt<T>(deed: Operation, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw asCommandError(error, deed);
  }
}

/** What the system refuses during a start has kept the program from running. */
function startError(error: unknown, plan: Plan): CommandError {
  const known = asCommandError(error, { syscall: "clone", plan });
  if (!(known instanceof SystemCallError)) return known;
  const { syscall, errno, path } = known;
  return new SpawnError({
    step: stepOf(syscall),
    syscall,
    args: path === undefined ? [] : [JSON.stringify(path)],
    errno,
    path,
    command: plan.command,
    cause: known.cause ?? known,
  });
}

/** The calls of this process that make what a child's descriptors come from. */
const OF_DESCRIPTORS: ReadonlySet<string> = new Set([
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

/** The step that a call of the parent belongs to. */
function stepOf(syscall: string): string {
  return OF_DESCRIPTORS.has(syscall) ? "fds" : "clone";
}

/** The calls that a synchronous run makes once its program runs, and that a start does not make. */
const OF_RUNNING: ReadonlySet<string> = new Set([
  "ppoll",
  "waitid",
  "pidfd_send_signal",
  "read",
  "fstat",
]);

function isOfRunning(error: CommandError): boolean {
  if (!(error instanceof SystemCallError)) return false;
  // Only a program that was started can leave its input unread.
  const unread = error.syscall === "write" && error.code === "EPIPE";
  return unread || OF_RUNNING.has(error.syscall);
}

/** Any error as a CommandError: itself if it is one, else one that has it as its cause. */
export function asCommandError(error: unknown, { syscall, plan }: Operation): CommandError {
  if (error instanceof CommandError) return error;
  const command = plan?.command;
  const cause = withoutArguments(error);
  const message = error instanceof Error ? error.message : String(error);
  if (isRefusedByRuntime(error)) {
    return new PermissionError(message, { ...refused(error), command, cause });
  }
  const errno = errnoOf(error);
  // Runtimes have numbers of their own for what is no error of the system: UV_UNKNOWN is 4094.
  if (errno !== undefined && errnoNumber(errnoName(errno)) === errno) {
    const { syscall: named, path } = error as { syscall?: unknown; path?: unknown };
    // libuv calls it by its own names: `uv_cwd`, or `spawn /bin/true`.
    const call = typeof named === "string" && /^[a-z]\w*$/.test(named)
      ? named.replace(/^uv_cwd$/, "getcwd")
      : syscall;
    return new SystemCallError(call, errno, {
      path: typeof path === "string" ? path : undefined,
      command,
      cause,
    });
  }
  const whose = command === undefined ? "" : `; command: ${command}`;
  return new CommandError(`unexpected error: ${message}${whose}`, { command, cause });
}

/** Node's errors of a start list the arguments of the program, secrets in clear. */
function withoutArguments(error: unknown): unknown {
  if (error instanceof Error) delete (error as { spawnargs?: unknown }).spawnargs;
  return error;
}

/** The fields of Node's error. */
interface Refusal {
  readonly code?: unknown;
  readonly permission?: unknown;
  readonly resource?: unknown;
}

/** What was refused: fields of Node's error; of Deno's only the text tells. */
function refused(
  error: Error,
): { code: string; permission: string | undefined; resource: string | undefined } {
  const text = (value: unknown) => typeof value === "string" && value !== "" ? value : undefined;
  const { code, permission, resource } = error as Error & Refusal;
  const [, access, on] = /^Requires (\w+) access(?: to "([^"]*)")?/.exec(error.message) ?? [];
  return {
    code: text(code) ?? error.name,
    permission: text(permission) ?? text(access),
    resource: text(resource) ?? text(on),
  };
}

function guardedSystem(system: System): System {
  const look = <A extends unknown[], T>(syscall: string, ask: (...args: A) => T) => (...args: A) =>
    attempt({ syscall }, () => ask(...args));
  return {
    environment: look("environ", () => system.environment()),
    variable: look("getenv", (name) => system.variable(name)),
    currentFolder: look("getcwd", () => system.currentFolder()),
    access: look("faccessat2", (path) => system.access(path)),
    elevated: look("getauxval", () => system.elevated()),
    userByName: look("getpwnam_r", (name) => system.userByName(name)),
    userById: look("getpwuid_r", (uid) => system.userById(uid)),
    groupsOf: look("getgrouplist", (name, gid) => system.groupsOf(name, gid)),
    capabilities: look("capget", () => system.capabilities()),
    startingNofile: look("prlimit64", () => system.startingNofile()),
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
