/**
 * What the kernel offers to the launcher's programs. Old kernels lack it, and so do sandboxes with
 * old profiles; the self test finds out.
 *
 * @module
 */

import { readdirSync } from "node:fs";
import { SPARE_FDS } from "../child_program/close_range.ts";

/** What a child of the launcher can use. */
export interface KernelSupport {
  /** close_range(2), since Linux 5.9. */
  readonly closeRange: boolean;
  /** CLONE_PIDFD, pidfd_send_signal(2) and P_PIDFD of waitid(2), since Linux 5.4. */
  readonly pidfds: boolean;
}

/**
 * Without close_range(2): a number that no descriptor of a child reaches. The child itself uses
 * numbers up to `used` and a few more.
 */
export function openBelow({ closeRange }: KernelSupport, used: number): number | undefined {
  if (closeRange) return undefined;
  const numbers = readdirSync("/proc/self/fd").map(Number);
  return Math.max(used, ...numbers) + 1 + SPARE_FDS;
}

/** What is missing, and what is done instead; for `backendInfo()`. */
export function missingSupport({ closeRange, pidfds }: KernelSupport): Record<string, string> {
  return {
    ...(closeRange ? {} : { close_range: "descriptors are closed one by one" }),
    ...(pidfds ? {} : { pidfd_open: "synchronous runs wait for SIGCHLD with signalfd(2)" }),
  };
}
