/**
 * Signals that this process ignores. A program inherits them, see signal(7), and so this process
 * may have inherited some from a shell or a supervisor.
 *
 * @module
 */

import { SIGCHLD } from "../../core/tables/kernel.ts";
import { readFileSync } from "node:fs";

/** Returns the numbers of the ignored signals in the text of /proc/<pid>/status. */
export function ignoredIn(status: string): number[] {
  const mask = /^SigIgn:\s*([0-9a-f]+)/m.exec(status)?.[1];
  const bits = BigInt(`0x${mask ?? "0"}`);
  return Array.from({ length: 64 }, (_, i) => i + 1)
    .filter((signal) => (bits >> BigInt(signal - 1)) & 1n);
}

/**
 * Listens for SIGCHLD if this process ignores it. Otherwise the kernel would reap children itself,
 * see waitid(2): Bun would report a success for each of them, and Deno a failure to start.
 */
export function unignoreSigchld(listen: (listener: () => void) => unknown): void {
  let status: string;
  try {
    status = readFileSync("/proc/self/status", "utf8");
  } catch {
    return; // Not Linux, or Deno has no permission to read it: this cannot be known.
  }
  if (ignoredIn(status).includes(SIGCHLD)) listen(() => {});
}
