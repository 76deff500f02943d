/**
 * Signals for daemons. A daemon is not a child of this process, so its pid may belong to another
 * process by now; the session that its starter made for it tells.
 *
 * @module
 */

import { findStep, type Plan } from "../../core/plan/plan.ts";
import { SIGKILL } from "../../core/timing.ts";
import { textOfFile } from "../posix/files.ts";
import { sendByNumber } from "../spawner/spawner.ts";
import { sleepSync } from "../spawner/text_busy.ts";
import { discardPidFile } from "./pid_file.ts";

/** How long a daemon that was killed may take to end, in milliseconds. */
const KILL_TIMEOUT_MS = 1000;

/**
 * Sends a signal to a daemon, if the process with its pid is in the session of `leader`, the
 * process that started it. Returns false if it is not, or has ended.
 */
export function signalDaemon(leader: number, pid: number, signal: number): boolean {
  const stat = textOfFile(`/proc/${pid}/stat`);
  // After the name, which may contain anything: state, parent, group, session. See
  // proc_pid_stat(5).
  const [state = "X", , , session] = stat?.slice(stat.lastIndexOf(")") + 2).split(" ") ?? [];
  return !"ZX".includes(state) && session === String(leader) && sendByNumber(pid, signal);
}

/** Kills a daemon, and waits until it has ended and its locks are released. */
export function killDaemon(leader: number | undefined, pid: number | undefined): void {
  if (leader === undefined || pid === undefined || !signalDaemon(leader, pid, SIGKILL)) return;
  for (let ms = 0; ms < KILL_TIMEOUT_MS && signalDaemon(leader, pid, 0); ms++) sleepSync(1);
}

/** Kills a daemon whose start has failed after it reached its program, and removes its pid file. */
export function discardDaemon(plan: Plan, leader: number, pid: number): void {
  killDaemon(leader, pid);
  const pidFile = findStep(plan, "pidFile");
  if (pidFile !== undefined) discardPidFile(pidFile.path, pid);
}
