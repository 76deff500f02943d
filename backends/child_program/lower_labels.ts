/**
 * Lowering of labels and core scheduling.
 *
 * Both LSMs are asked for the label of the *next* exec, so that the steps in between still run
 * with the rights of the parent. The file system of the kernel's attributes has a folder for each
 * LSM since 5.1 (SELinux has none and uses the shared files).
 *
 * @module
 */

import { defined } from "../../core/own.ts";
import type { StepName } from "../../core/plan/order.ts";
import type { CoreScheduling } from "../../core/command/spec.ts";
import { PR } from "../../core/tables/constants.ts";
import { O, PR_SCHED_CORE } from "../../core/tables/kernel.ts";
import { type Arg, arg, type Call, call, CURRENT_FOLDER, text } from "./call.ts";
import { encodeUtf8 } from "../../core/utf8.ts";

/** The attribute files, the specific one first. */
export const SELINUX_EXEC: readonly string[] = ["/proc/self/attr/exec"];
export const APPARMOR_EXEC: readonly string[] = [
  "/proc/self/attr/apparmor/exec",
  "/proc/self/attr/exec",
];

/** The reasons of security_context_to_sid() and of the check for process:setexec. */
const SELINUX_REASONS: ReadonlyMap<string, string> = new Map([
  ["EINVAL", "the loaded policy has no such context"],
  ["EACCES", "the policy does not let this process choose labels"],
]);

/** The reasons of aa_change_profile(), see aa_change_onexec(2). */
const APPARMOR_REASONS: ReadonlyMap<string, string> = new Map([
  ["ENOENT", "no such profile is loaded"],
  ["EACCES", "the profile of this process does not allow the change"],
]);

/** setexeccon(3): the context, with its NUL. */
export function lowerSelinux(label: string): Call[] {
  const calls = writeTo("selinux", SELINUX_EXEC, `${label}\0`, refusedLabel(label));
  return withReasons(calls, SELINUX_REASONS);
}

/** aa_change_onexec(2): `exec` and the name of the profile. */
export function lowerApparmor(profile: string): Call[] {
  const calls = writeTo("apparmor", APPARMOR_EXEC, `exec ${profile}`, refusedLabel(profile));
  return withReasons(calls, APPARMOR_REASONS);
}

function refusedLabel(label: string): string {
  return `the label ${text(label)} was refused`;
}

function withReasons(calls: readonly Call[], reasons: ReadonlyMap<string, string>): Call[] {
  return calls.map((each) => each.name === "write" ? { ...each, reasons } : each);
}

/**
 * Opens the first of `paths` that is there, and writes the value in one go. The descriptor goes
 * straight into the write, whatever its number is. It is closed by the exec. `hint` says what it
 * means if the write is refused.
 */
export function writeTo(
  step: StepName,
  paths: readonly string[],
  value: string,
  hint: string,
): Call[] {
  const bytes = encodeUtf8(value);
  const opened = `${step} opened`;
  const flags = arg(O.WRONLY | O.CLOEXEC, "O_WRONLY|O_CLOEXEC");
  const open = paths.map((path, index): Call => ({
    ...call(step, "openat", [CURRENT_FOLDER, { text: path }, flags]),
    path,
    label: `${step} ${index}`,
    into: { call: opened, argument: 0 },
    jumps: {
      zero: opened,
      positive: opened,
      ...defined({ error: index + 1 < paths.length ? `${step} ${index + 1}` : undefined }),
    },
  }));
  // The number of the descriptor is filled in by the open.
  const args: Arg[] = [arg(-1, "…"), { bytes, display: text(value) }, bytes.length];
  return [...open, { ...call(step, "write", args), label: opened, hint }];
}

/** prctl(2) PR_SCHED_CORE: a cookie of one's own, for all threads, or that of another process. */
export function lowerCore(scheduling: CoreScheduling): Call {
  const operation = arg(PR.PR_SCHED_CORE, "PR_SCHED_CORE");
  if (scheduling.kind === "alone") {
    const create = arg(PR_SCHED_CORE.CREATE, "PR_SCHED_CORE_CREATE");
    const allThreads = arg(PR_SCHED_CORE.SCOPE_THREAD_GROUP, "PIDTYPE_TGID");
    return call("coreSched", "prctl", [operation, create, 0, allThreads]);
  }
  const share = arg(PR_SCHED_CORE.SHARE_FROM, "PR_SCHED_CORE_SHARE_FROM");
  const thisThread = arg(PR_SCHED_CORE.SCOPE_THREAD, "PIDTYPE_PID");
  return call("coreSched", "prctl", [operation, share, scheduling.pid, thisThread]);
}
