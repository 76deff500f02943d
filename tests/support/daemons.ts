/**
 * Daemons: nobody's children, so a test looks at them from outside, in /proc, and must end them.
 *
 * @module
 */

import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import process from "node:process";
import type { Command, Result } from "../../mod.ts";
import { type Context, isRunning, killHard, until } from "./harness.ts";

/** Runs a daemon that is ended when the test is over, and returns what the run said of it. */
export async function startDaemon(
  { defer }: Context,
  cmd: Command,
): Promise<Result & { readonly daemonPid: number }> {
  return endLater(defer, await cmd.daemonize().run());
}

/** Has a daemon ended when the test is over. */
export function endLater<R extends Result>(
  defer: Context["defer"],
  result: R,
): R & { readonly daemonPid: number } {
  const pid = result.daemonPid;
  if (pid === undefined) throw new Error(`no daemon: ${result.command}`);
  defer(() => endDaemon(pid));
  return result as R & { readonly daemonPid: number };
}

/** Kills a daemon, and waits until it holds nothing any more. */
export async function endDaemon(pid: number): Promise<void> {
  killHard(pid);
  await until(`process ${pid} is gone`, () => !isRunning(pid));
}

/** What /proc/<pid>/stat says of a process's relations, see proc_pid_stat(5). */
export function relationsOf(
  pid: number,
): { ppid: number; group: number; session: number; tty: number } {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ").map(Number);
  const [, ppid = -1, group = -1, session = -1, tty = -1] = fields;
  return { ppid, group, session, tty };
}

/** The open descriptors of a process: what each number leads to. */
function fdsOf(pid: number): Record<string, string> {
  const fds = readdirSync(`/proc/${pid}/fd`);
  return Object.fromEntries(fds.map((fd) => [fd, readlinkSync(`/proc/${pid}/fd/${fd}`)]));
}

/**
 * Waits until a daemon sleeps. A child that shares memory with its parent lets it go in the middle
 * of execve(2): its environment is not in place yet, and then it has its start-up before it.
 */
export async function asleep(pid: number): Promise<void> {
  await until(`process ${pid} sleeps`, () => / S /.test(readFileSync(`/proc/${pid}/stat`, "utf8")));
}

/**
 * Waits until a process is a program. A child that shares memory with its parent lets it go in the
 * middle of execve(2), a moment before /proc shows the new program.
 */
export async function becomes(pid: number, program: string): Promise<void> {
  const exe = () => readlinkSync(`/proc/${pid}/exe`);
  await until(`process ${pid} is ${program}`, () => exe() === program);
}

/** The descriptors of a daemon that sleeps. */
export async function fdsAsleep(pid: number): Promise<Record<string, string>> {
  await asleep(pid);
  return fdsOf(pid);
}

/** The other processes that have a file open, as far as this user may look. */
export function holdersOf(path: string): number[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number);
  return pids.filter((pid) => pid !== process.pid && has(pid, path));
}

function has(pid: number, path: string): boolean {
  try {
    return Object.values(fdsOf(pid)).includes(path);
  } catch {
    // It belongs to somebody else, or has just ended.
    return false;
  }
}
