/**
 * What the exec of the launcher does to credentials. The runtime's spawner makes the child, so
 * nothing can be done before the exec; what it adds can be removed after it.
 *
 * @module
 */

import { UnsupportedError } from "../../core/errors.ts";
import { findStep, type Plan } from "../../core/plan/plan.ts";
import type { Step } from "../../core/plan/steps.ts";
import type { Call } from "../child_program/call.ts";
import {
  afterExec,
  type Credentials,
  parseCredentials,
  restoring,
} from "../child_program/credentials.ts";
import { textOfFile } from "../posix/files.ts";

/** Without FFI the securebits cannot be read, see PR_GET_SECUREBITS(2const). */
const NO_SECUREBITS = 0;

/** The credentials of this thread, which children inherit. */
function credentials(): Credentials | undefined {
  const status = textOfFile("/proc/thread-self/status");
  return status === undefined ? undefined : parseCredentials(status, NO_SECUREBITS);
}

/**
 * Returns the calls that remove the capabilities which root has regained by the exec of the
 * launcher.
 */
export function restoreFor(plan: Plan): readonly Call[] {
  if (findStep(plan, "identity") === undefined && findStep(plan, "step") === undefined) return [];
  const now = credentials();
  if (now === undefined) return [];
  const then = afterExec(now);
  const isSame = then.permitted === now.permitted && then.effective === now.effective;
  return isSame || (now.permitted & ~then.permitted) !== 0n ? [] : restoring(now, then);
}

/**
 * Throws an UnsupportedError for a change of identity that this process may make, but the launcher
 * not.
 */
export function requireCredentials(plan: Plan): void {
  const identity = findStep(plan, "identity");
  if (identity === undefined) return;
  const now = credentials();
  if (now === undefined) return;
  const then = afterExec(now);
  const lostId = now.uids[2] !== then.uids[2] || now.gids[2] !== then.gids[2];
  if ((now.permitted & ~then.permitted) === 0n && !lostId) return;
  throw new UnsupportedError({
    feature: featureOf(identity),
    driver: "launcher",
    reason: lostId
      ? "the saved ids of this process do not survive the exec of the launcher"
      : "capabilities of this process do not survive the exec of the launcher",
    remedy: "use a runtime with FFI, or make the capabilities ambient",
    command: plan.command,
  });
}

/** The method of the builder that asks for a change of identity. */
function featureOf({ ids }: Extract<Step, { step: "identity" }>): string {
  if (ids === undefined) return "allowCap";
  if (ids.uid !== undefined) return "uid";
  return ids.gid === undefined ? "groups" : "gid";
}
