/**
 * Whether the security modules are there that a plan asks for. Asked before anything is started:
 * without the module, the kernel would refuse a label with an errno that explains nothing.
 *
 * @module
 */

import { UnsupportedError } from "../../core/errors.ts";
import { findStep, type Plan } from "../../core/plan.ts";
import { textOf } from "./files.ts";
import type { Kernel } from "./kernel.ts";

/** Throws an UnsupportedError if the plan needs a module that does not run. */
export function requireLsm(kernel: Kernel, plan: Plan): void {
  if (findStep(plan, "selinux") !== undefined && !hasSelinux(kernel)) {
    throw missing("selinuxLabel", "SELinux");
  }
  if (findStep(plan, "apparmor") !== undefined && !hasApparmor(kernel)) {
    throw missing("apparmorProfile", "AppArmor");
  }
}

/** As is_selinux_enabled(3) finds out: the file system is known once the module is on. */
export function hasSelinux(kernel: Kernel): boolean {
  return textOf(kernel, "/proc/filesystems")?.includes("selinuxfs") === true;
}

/** As aa_is_enabled(2) finds out. */
export function hasApparmor(kernel: Kernel): boolean {
  return textOf(kernel, "/sys/module/apparmor/parameters/enabled")?.startsWith("Y") === true;
}

function missing(feature: string, module: string): UnsupportedError {
  return new UnsupportedError({
    feature,
    driver: "native",
    reason: `${module} is not enabled in this kernel`,
    remedy: `boot a kernel with ${module}, or leave the label out`,
  });
}
