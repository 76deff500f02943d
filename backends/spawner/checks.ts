/**
 * What is found out before a start, because a spawner would say it less exactly or not at all.
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

/** EMFILE and ENFILE; with them EAGAIN and ENOMEM. None is about the program. */
const OUT_OF_FILES: ReadonlySet<number> = new Set([24, 23]);
const OF_THIS_PROCESS: ReadonlySet<number> = new Set([...OUT_OF_FILES, 11, 12]);

/**
 * A spawner that waits goes on waiting for a program that it has no right to end: what bounds such
 * a run is refused.
 */
export function requireEndable(plan: Plan, run: SyncRun): void {
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

/** Whether this process may send signals to those of other users, see capabilities(7). */
function hasCapKill(): boolean {
  const CAP_KILL = 5n;
  const effective = /^CapEff:\s*([0-9a-f]+)/m.exec(textOfFile("/proc/self/status") ?? "")?.[1];
  if (effective === undefined) return process.geteuid?.() === 0;
  return (BigInt(`0x${effective}`) >> CAP_KILL & 1n) === 1n;
}

/** A runtime says of a missing folder that the program is missing. */
export function requireFolder(plan: Plan): void {
  const path = findStep(plan, "chdir")?.path;
  if (path === undefined) return;
  let errno = 0;
  try {
    if (!statSync(path).isDirectory()) errno = E.ENOTDIR;
  } catch (error) {
    const number = (error as { errno?: unknown }).errno;
    // The runtime's own refusal: it will say so again.
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
 * What execve(2) would refuse is refused here: some runtimes hand a file without #! to a shell, and
 * that is a program that nobody asked for.
 */
export function requireProgram(plan: Plan, os: string): void {
  const { path } = plan.exec;
  // A bare name that only the runtime may look for.
  if (!path.includes("/")) return;
  const access = accessTo(path);
  if (access !== "ok" && access !== "unknown") {
    const errno = errnoNumber(access) ?? E.EACCES;
    throw blamed(plan, new StartError(errno, access));
  }
  const head = os === "linux" ? headOfFile(path) : undefined;
  if (isFormatKnown(head)) return;
  throw blamed(plan, new StartError(E.ENOEXEC, "ENOEXEC"));
}

/** The error of a program that could not be started, with the file at fault. */
export function blamed(plan: Plan, error: unknown): unknown {
  if (!(error instanceof StartError)) return error;
  const cwd = findStep(plan, "chdir")?.path;
  // Deno's words, where this process may not look for itself.
  if (cwd !== undefined && error.message.includes("No such cwd")) {
    return folderError(plan, cwd, error.errno);
  }
  if (OF_THIS_PROCESS.has(error.errno)) {
    // The spawner has not come to the program: it could not make its pipes, or no process.
    const { errno } = error;
    const step = OUT_OF_FILES.has(errno) ? "fds" : "clone";
    const { command } = plan;
    // Which call it was is not told.
    return new SpawnError({ step, syscall: "spawn", args: [], errno, command, cause: error });
  }
  const { path, displayArgv: shownArgv } = plan.exec;
  const display = [
    JSON.stringify(path),
    `[${shownArgv.map((each) => JSON.stringify(each)).join(", ")}]`,
  ];
  const failed = { ...call("exec", "execve", [], display), path };
  return spawnError(failed, error.errno, plan.command, { access: accessTo, head: headOfFile });
}
