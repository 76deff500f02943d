/**
 * Whether the security modules are there that a plan asks for. Asked before anything is started:
 * without the module, the kernel would refuse a label with an errno that explains nothing.
 *
 * @module
 */

import type { DriverName } from "../../core/drivers.ts";
import { UnsupportedError } from "../../core/errors.ts";
import { findStep, type Plan } from "../../core/plan/plan.ts";

/** All of a small file, or undefined if it cannot be read. */
export type ReadText = (path: string) => string | undefined;

/** Throws an UnsupportedError if the plan needs a module that does not run. */
export function requireLsm(read: ReadText, plan: Plan, driver: DriverName): void {
  requireBond(plan, driver);
  if (findStep(plan, "selinux") !== undefined) {
    if (!isSelinuxKnown(read)) throw missing("selinuxLabel", "SELinux", driver);
    if (!hasSelinux(read)) throw withoutPolicy(driver);
  }
  if (findStep(plan, "apparmor") !== undefined && !hasApparmor(read)) {
    throw missing("apparmorProfile", "AppArmor", driver);
  }
}

/**
 * Both modules clear the signal of dieWithParent when the label changes, and it changes after the
 * last step.
 */
function requireBond(plan: Plan, driver: DriverName): void {
  const label = findStep(plan, "selinux") ?? findStep(plan, "apparmor");
  if (label === undefined || findStep(plan, "dieWithParent") === undefined) return;
  const method = label.step === "selinux" ? "selinuxLabel" : "apparmorProfile";
  throw new UnsupportedError({
    feature: `dieWithParent with ${method}`,
    driver,
    reason: "the kernel forgets the parent when the label changes",
    remedy: "leave one of them out",
    command: plan.command,
  });
}

/** The file system is known once the module is on. */
function isSelinuxKnown(read: ReadText): boolean {
  return read("/proc/filesystems")?.includes("selinuxfs") === true;
}

/**
 * As is_selinux_enabled(3) finds out. Before a policy is loaded, every process is `kernel`, and a
 * label would be accepted and mean nothing.
 */
export function hasSelinux(read: ReadText): boolean {
  if (!isSelinuxKnown(read)) return false;
  const own = read("/proc/self/attr/current")?.replace(/\0.*$/s, "").trim();
  return own !== undefined && own !== "" && own !== "kernel";
}

function withoutPolicy(driver: DriverName): UnsupportedError {
  return new UnsupportedError({
    feature: "selinuxLabel",
    driver,
    reason: "SELinux is enabled in this kernel, but no policy is loaded",
    remedy: "load a policy, or leave the label out",
  });
}

/** As aa_is_enabled(2) finds out. */
export function hasApparmor(read: ReadText): boolean {
  return read("/sys/module/apparmor/parameters/enabled")?.startsWith("Y") === true;
}

function missing(feature: string, module: string, driver: DriverName): UnsupportedError {
  return new UnsupportedError({
    feature,
    driver,
    reason: `${module} is not enabled in this kernel`,
    remedy: `boot a kernel with ${module}, or leave the label out`,
  });
}
