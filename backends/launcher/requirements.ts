/**
 * What the launcher driver can do on a runtime, and the refusal of what it cannot do.
 *
 * @module
 */

import { UnsupportedError } from "../../core/errors.ts";
import { findStep, type Plan } from "../../core/plan/plan.ts";
import { FEATURES } from "../../core/tables/features.ts";
import { requireHook } from "../child_program/hook_split.ts";
import { hasApparmor, hasSelinux } from "../child_program/lsm.ts";
import { textOfFile } from "../posix/files.ts";
import type { Host } from "../spawner/host.ts";
import { type Execve, requireExecDescriptors } from "./exec.ts";

/** What a runtime can do about hooks. */
export interface HookFeatures {
  /** Whether a process of it can become another program. */
  readonly any: boolean;
  /** Whether it can keep any descriptor open meanwhile, such as the locked one of a pid file. */
  readonly withPidFile: boolean;
}

/** What differs between runtimes. */
export interface RuntimeFeatures {
  readonly hooks: HookFeatures;
  /** How a process of it becomes another program; undefined if it cannot. */
  readonly execve: Execve | undefined;
}

/** Returns which features the driver has. */
export function launcherFeatures({ hooks, execve }: RuntimeFeatures): Record<string, boolean> {
  return {
    ...Object.fromEntries(FEATURES.map((name) => [name, true])),
    selinuxLabel: hasSelinux(textOfFile),
    apparmorProfile: hasApparmor(textOfFile),
    exec: execve !== undefined,
    "exec with passFd": false,
    preExec: hooks.any,
    "preExec with pidFile": hooks.withPidFile,
  };
}

/** Throws an UnsupportedError for a hook that the runtime cannot run. */
export function requireHookFeatures(
  host: Pick<Host, "hook">,
  plan: Plan,
  hooks: HookFeatures,
): void {
  if (findStep(plan, "preExec") === undefined) return;
  const hasPidFile = findStep(plan, "pidFile") !== undefined;
  if (hooks.any && (hooks.withPidFile || !hasPidFile)) return;
  // Another runtime may have what this one lacks.
  if (!requireHook(host, plan, "launcher").isOwn) return;
  throw new UnsupportedError({
    feature: hooks.any ? "preExec with pidFile" : "preExec",
    driver: "launcher",
    remedy: hooks.any
      ? "use a runtime with FFI"
      : "use Node 22.15 or newer, also by preExec(module, data, { runtime })",
    command: plan.command,
  });
}

/**
 * Returns how this process becomes the program of a plan. Throws an UnsupportedError if it cannot.
 */
export function requireExec(plan: Plan, execve: Execve | undefined): Execve {
  if (execve === undefined) {
    throw new UnsupportedError({
      feature: "exec",
      driver: "launcher",
      reason: "a process of this runtime cannot replace itself without FFI",
      remedy: "use FFI, or Node 22.15 or newer",
      command: plan.command,
    });
  }
  requireExecDescriptors(plan);
  return execve;
}
