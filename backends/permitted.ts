/**
 * What a runtime's permission model is asked before a start, where the driver would get past it: by
 * FFI, or because the child opens a file itself. The runtime's own answer counts; nobody is prompted.
 *
 * @module
 */

import { findStep, type Plan, stepOf } from "../core/plan/plan.ts";
import type { Host } from "./spawner/host.ts";

/** Throws the runtime's own error for the first thing that is refused. */
export function requirePermitted(
  host: Pick<Host, "checkRun" | "checkFile">,
  plan: Plan,
  environment: () => Iterable<string>,
): void {
  host.checkRun?.(plan.exec.path, environment);
  if (host.checkFile === undefined) return;
  for (const { source } of stepOf(plan, "fds").childFds) {
    if (source.from !== "file") continue;
    host.checkFile(source.path, source.access === "read" ? "read" : "write");
  }
  const pidFile = findStep(plan, "pidFile");
  if (pidFile !== undefined) host.checkFile(pidFile.path, "write");
}
