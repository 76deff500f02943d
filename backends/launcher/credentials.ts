/**
 * What the exec of the launcher does to credentials. Nothing can be done before it, since the
 * runtime's spawner makes the child; what it adds can be taken back after it.
 *
 * @module
 */

import { UnsupportedError } from "../../core/errors.ts";
import { findStep, type Plan } from "../../core/plan/plan.ts";
import type { Call } from "../child_program/call.ts";
import {
  afterExec,
  type Credentials,
  parseCredentials,
  restoring,
} from "../child_program/credentials.ts";
import { textOfFile } from "../posix/files.ts";

/** Without FFI the securebits cannot be asked for. */
const NO_SECUREBITS = 0;

/** The credentials of this thread, which is the one that children inherit from. */
function credentials(): Credentials | undefined {
  const status = textOfFile("/proc/thread-self/status");
  return status === undefined ? undefined : parseCredentials(status, NO_SECUREBITS);
}

/** The calls that take back what root has regained by the exec of the launcher. */
export function restoreFor(plan: Plan): readonly Call[] {
  if (findStep(plan, "identity") === undefined && findStep(plan, "step") === undefined) return [];
  const now = credentials();
  if (now === undefined) return [];
  const then = afterExec(now);
  const same = then.permitted === now.permitted && then.effective === now.effective;
  return same || (now.permitted & ~then.permitted) !== 0n ? [] : restoring(now, then);
}

/** Refuses a change of identity for which this process has the rights, and the launcher has not. */
export function requireCredentials(plan: Plan): void {
  const identity = findStep(plan, "identity");
  if (identity === undefined) return;
  const now = credentials();
  if (now === undefined) return;
  const then = afterExec(now);
  const lostId = now.uids[2] !== then.uids[2] || now.gids[2] !== then.gids[2];
  if ((now.permitted & ~then.permitted) === 0n && !lostId) return;
  const { ids } = identity;
  throw new UnsupportedError({
    feature: ids?.uid !== undefined
      ? "uid"
      : ids?.gid !== undefined
      ? "gid"
      : ids !== undefined
      ? "groups"
      : "allowCap",
    driver: "launcher",
    reason: lostId
      ? "the saved ids of this process do not survive the exec of the launcher"
      : "capabilities of this process do not survive the exec of the launcher",
    remedy: "use a runtime with FFI, or make the capabilities ambient",
    command: plan.command,
  });
}
