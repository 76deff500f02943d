/**
 * Checks before a start, for errors that a spawner reports less exactly or not at all.
 *
 * @module
 */

import { statSync } from "node:fs";
import { process } from "../process.ts";
import type { SyncRun } from "../../core/backend.ts";
import { errnoNumber } from "../../core/tables/errno.ts";
import { SpawnError, UnsupportedError } from "../../core/errors.ts";
import { findStep, type Plan } from "../../core/plan/plan.ts";
import { call } from "../child_program/call.ts";
import { isFormatKnown, spawnError } from "../child_program/failure.ts";
import { accessTo, headOfFile, textOfFile } from "../posix/files.ts";
import { StartError } from "./spawner.ts";
import { E } from "../../core/tables/kernel.ts";

/** Errors of making pipes. */
const PIPE_ERRORS: ReadonlySet<number> = new Set([E.EMFILE, E.ENFILE]);

/** Errors of making a process. Like those, they are not about the program. */
const CLONE_ERRORS: ReadonlySet<number> = new Set([E.EAGAIN, E.ENOMEM]);

/** Whether an error is about what the system is short of for a moment, and not about the program. */
export function isShortage({ errno }: StartError): boolean {
  return PIPE_ERRORS.has(errno) || CLONE_ERRORS.has(errno);
}

/**
 * Throws an UnsupportedError for a limit on a program that this process may not kill: a spawner
 * that waits would go on waiting for it.
 */
export function requireKillable(plan: Plan, run: SyncRun): void {
  if (run.timeout === undefined && run.maxBuffer === Infinity) return;
  const uid = findStep(plan, "identity")?.ids?.uid;
  if (uid === undefined || uid === process.getuid?.() || uid === process.geteuid?.()) return;
  if (hasCapKill()) return;
  throw new UnsupportedError({
    feature: run.timeout === undefined ? "maxBuffer" : "timeout",
    driver: "portable",
    reason: `this process may not send signals to user ${uid}, and runSync would wait for its end`,
    remedy: "use run(), or another driver",
    command: plan.command,
  });
}

/** Whether this process may send signals to processes of other users, see capabilities(7). */
function hasCapKill(): boolean {
  const CAP_KILL = 5n;
  const effective = /^CapEff:\s*([0-9a-f]+)/m.exec(textOfFile("/proc/self/status") ?? "")?.[1];
  if (effective === undefined) return process.geteuid?.() === 0;
  return (BigInt(`0x${effective}`) >> CAP_KILL & 1n) === 1n;
}

/**
 * Throws a SpawnError of step `chdir` for a current folder that does not exist: a runtime would
 * report that the program does not.
 */
export function requireFolder(plan: Plan): void {
  const path = findStep(plan, "chdir")?.path;
  if (path === undefined) return;
  let errno = 0;
  try {
    if (!statSync(path).isDirectory()) errno = E.ENOTDIR;
  } catch (error) {
    const number = (error as { errno?: unknown }).errno;
    // A missing permission, which the runtime itself reports at the start.
    if (typeof number !== "number") return;
    errno = Math.abs(number);
  }
  if (errno !== 0) throw folderError(plan, path, errno);
}

function folderError({ command }: Plan, path: string, errno: number): SpawnError {
  const args = [JSON.stringify(path)];
  return new SpawnError({ step: "chdir", syscall: "chdir", args, errno, path, command });
}

/**
 * Throws a SpawnError for a program that execve(2) would refuse: some runtimes run a file without
 * #! by a shell, which nobody asked for.
 */
export function requireProgram(plan: Plan, os: string): void {
  const { path } = plan.exec;
  // A bare name, which only the runtime may look up.
  if (!path.includes("/")) return;
  const access = accessTo(path);
  if (access !== "ok" && access !== "unknown") {
    const errno = errnoNumber(access) ?? E.EACCES;
    throw programError(plan, new StartError(errno, access));
  }
  const head = os === "linux" ? headOfFile(path) : undefined;
  if (isFormatKnown(head)) return;
  throw programError(plan, new StartError(E.ENOEXEC, "ENOEXEC"));
}

/** Returns the error of a program that could not be started, which names the file at fault. */
export function programError(plan: Plan, error: unknown): unknown {
  if (!(error instanceof StartError)) return error;
  const cwd = findStep(plan, "chdir")?.path;
  // Deno's message, where this process may not look for itself.
  if (cwd !== undefined && error.message.includes("No such cwd")) {
    return folderError(plan, cwd, error.errno);
  }
  const { errno } = error;
  if (isShortage(error)) {
    const step = PIPE_ERRORS.has(errno) ? "fds" : "clone";
    const { command } = plan;
    // The runtime does not report which system call it was.
    return new SpawnError({ step, syscall: "spawn", args: [], errno, command, cause: error });
  }
  const { path, displayArgv } = plan.exec;
  const argv = {
    texts: [],
    display: `[${displayArgv.map((each) => JSON.stringify(each)).join(", ")}]`,
  };
  const failed = { ...call("exec", "execve", [{ text: path }, argv]), path };
  return spawnError(failed, errno, plan.command, { access: accessTo, head: headOfFile });
}
