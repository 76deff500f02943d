/**
 * The checks of a runtime's permissions before a start, for what they would not cover: calls by
 * FFI, and files that the child opens itself. The user is not prompted.
 *
 * @module
 */

import { findStep, type Plan, stepOf } from "../core/plan/plan.ts";
import type { DriverName } from "../core/drivers.ts";
import { requireHook } from "./child_program/hook_split.ts";
import type { Host } from "./spawner/host.ts";

/** Throws the runtime's own error for the first missing permission. */
export function requirePermitted(
  host: Pick<Host, "checkRun" | "checkFile" | "hook">,
  plan: Plan,
  driver: DriverName,
  environment: () => Iterable<string>,
): void {
  host.checkRun?.(plan.exec.path, environment);
  if (findStep(plan, "preExec") !== undefined) {
    const { path, isOwn } = requireHook(host, plan, driver);
    if (!isOwn) host.checkRun?.(path, environment);
  }
  if (host.checkFile === undefined) return;
  for (const { source } of stepOf(plan, "fds").childFds) {
    if (source.from !== "file") continue;
    host.checkFile(source.path, source.access === "read" ? "read" : "write");
  }
  const pidFile = findStep(plan, "pidFile");
  if (pidFile !== undefined) host.checkFile(pidFile.path, "write");
}
