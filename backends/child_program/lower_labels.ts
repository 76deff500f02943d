/**
 * Lowering of labels and core scheduling.
 *
 * Both LSMs are asked for the label of the *next* exec, so that the steps in between still run
 * with the rights of the parent. The file system of the kernel's attributes has a folder for each
 * LSM since 5.1 (SELinux has none and uses the shared files).
 *
 * @module
 */

import type { StepName } from "../../core/plan/order.ts";
import type { CoreScheduling } from "../../core/command/spec.ts";
import { type Call, call, text } from "./call.ts";
import { AT_FDCWD, O } from "../../core/tables/kernel.ts";

/** The attribute files, the specific one first. */
export const SELINUX_EXEC: readonly string[] = ["/proc/self/attr/exec"];
export const APPARMOR_EXEC: readonly string[] = [
  "/proc/self/attr/apparmor/exec",
  "/proc/self/attr/exec",
];

const PR_SCHED_CORE = 62;
const PR_SCHED_CORE_CREATE = 1;
const PR_SCHED_CORE_SHARE_FROM = 3;
const PIDTYPE_PID = 0;
const PIDTYPE_TGID = 1;

/** setexeccon(3): the context, with its NUL. */
export function lowerSelinux(label: string): Call[] {
  return writeTo("selinux", SELINUX_EXEC, `${label}\0`, refusedLabel(label));
}

/** aa_change_onexec(2): `exec` and the name of the profile. */
export function lowerApparmor(profile: string): Call[] {
  return writeTo("apparmor", APPARMOR_EXEC, `exec ${profile}`, refusedLabel(profile));
}

function refusedLabel(label: string): string {
  return `the label ${text(label)} was refused`;
}

/**
 * Opens the first of `paths` that is there, and writes the value in one go. The descriptor goes
 * straight into the write: whatever number it has. It is closed by the exec. `meaning` is what it
 * means if the write is refused.
 */
export function writeTo(
  step: StepName,
  paths: readonly string[],
  value: string,
  hint: string,
): Call[] {
  const bytes = new TextEncoder().encode(value);
  const opened = `${step} opened`;
  const flags = O.WRONLY | O.CLOEXEC;
  const open = paths.map((path, index): Call => ({
    ...call(step, "openat", [AT_FDCWD, { text: path }, flags, 0], [
      "AT_FDCWD",
      text(path),
      "O_WRONLY|O_CLOEXEC",
    ]),
    path,
    label: `${step} ${index}`,
    into: { call: opened, argument: 0 },
    jumps: {
      zero: opened,
      positive: opened,
      ...(index + 1 < paths.length ? { error: `${step} ${index + 1}` } : {}),
    },
  }));
  return [
    ...open,
    {
      ...call(step, "write", [-1, { bytes }, bytes.length], ["…", text(value), `${bytes.length}`]),
      label: opened,
      hint,
    },
  ];
}

/** prctl(2) PR_SCHED_CORE: a cookie of one's own, for all threads, or that of another process. */
export function lowerCore(scheduling: CoreScheduling): Call {
  if (scheduling.kind === "alone") {
    return call("coreSched", "prctl", [PR_SCHED_CORE, PR_SCHED_CORE_CREATE, 0, PIDTYPE_TGID, 0], [
      "PR_SCHED_CORE",
      "PR_SCHED_CORE_CREATE",
      "0",
      "PIDTYPE_TGID",
    ]);
  }
  const { pid } = scheduling;
  return call(
    "coreSched",
    "prctl",
    [PR_SCHED_CORE, PR_SCHED_CORE_SHARE_FROM, pid, PIDTYPE_PID, 0],
    [
      "PR_SCHED_CORE",
      "PR_SCHED_CORE_SHARE_FROM",
      String(pid),
      "PIDTYPE_PID",
    ],
  );
}
