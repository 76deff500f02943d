/**
 * Signals that this process ignores. A program starts with everything ignored that its parent has
 * ignored, see signal(7): what a shell or a supervisor has left there is not ours to hand on.
 *
 * @module
 */

import { SIGCHLD } from "../../core/tables/kernel.ts";
import { readFileSync } from "node:fs";

/** The ignored signals in the text of /proc/<pid>/status, by number. */
export function ignoredIn(status: string): number[] {
  const mask = /^SigIgn:\s*([0-9a-f]+)/m.exec(status)?.[1];
  const bits = BigInt(`0x${mask ?? "0"}`);
  return Array.from({ length: 64 }, (_, i) => i + 1)
    .filter((signal) => (bits >> BigInt(signal - 1)) & 1n);
}

/**
 * Listens for SIGCHLD if this process was started with it ignored. The kernel would reap children
 * itself then, see waitid(2): Bun takes their end for a success, Deno for a failure to start.
 */
export function unignoreSigchld(listen: (listener: () => void) => void): void {
  let status: string;
  try {
    status = readFileSync("/proc/self/status", "utf8");
  } catch {
    return; // not Linux, or Deno has no leave to look: the runtime is on its own
  }
  if (ignoredIn(status).includes(SIGCHLD)) listen(() => {});
}
