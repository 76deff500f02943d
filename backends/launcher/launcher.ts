/**
 * The launcher driver: child programs without FFI. This file puts its parts together.
 *
 * @module
 */

import { closeSync, writeSync } from "node:fs";
import type { Backend } from "../../core/backend.ts";
import { UnsupportedError } from "../../core/errors.ts";
import { type Feature, FEATURES } from "../../core/tables/features.ts";
import { asyncScope } from "../async_scope.ts";
import { findStep, type Plan } from "../../core/plan/plan.ts";
import type { Arch } from "../child_program/arch.ts";
import { explainPlan } from "../child_program/explain.ts";
import { requirePermitted } from "../permitted.ts";
import type { Host } from "../spawner/host.ts";
import { hasApparmor, hasSelinux, requireLsm } from "../child_program/lsm.ts";
import { textOfFile } from "../posix/files.ts";
import { unignoreSigchld } from "../posix/signals.ts";
import { systemOf } from "../posix/system.ts";
import type { Spawner } from "../spawner/spawner.ts";
import { requireCredentials } from "./credentials.ts";
import { execByFile, type Execve, requireExecDescriptors } from "./exec.ts";
import { LauncherStarter } from "./starter.ts";
import { runSync } from "./sync.ts";

/** What the runtime can do about hooks. */
export interface HookFeatures {
  /** Whether a process of it can become another one. */
  readonly any: boolean;
  /** Whether it can keep any descriptor open over that, such as the locked one of a pid file. */
  readonly withPidFile: boolean;
}

/** What differs between runtimes. */
export interface RuntimeFeatures {
  readonly hooks: HookFeatures;
  /** How a process of it becomes another one, if it can. */
  readonly execve: Execve | undefined;
}

/** Makes the launcher driver. Throws an UnsupportedError if no program file can be written. */
export function launcherBackend(
  host: Host,
  arch: Arch,
  spawner: Spawner,
  reason: string,
  runtime: RuntimeFeatures,
): Backend {
  unignoreSigchld(host.onSigchld);
  const { hooks } = runtime;
  const starter = new LauncherStarter(host, arch, spawner);
  // Where no program file can be executed, that should be known before the driver is chosen.
  starter.launcher.close();
  const features = {
    ...Object.fromEntries(FEATURES.map((name) => [name, true])) as Record<Feature, boolean>,
    selinuxLabel: hasSelinux(textOfFile),
    apparmorProfile: hasApparmor(textOfFile),
    exec: runtime.execve !== undefined,
    "exec with passFd": false,
    preExec: hooks.any,
    "preExec with pidFile": hooks.withPidFile,
  };
  const requireHook = (plan: Plan) => {
    if (findStep(plan, "preExec") === undefined) return;
    const both = findStep(plan, "pidFile") !== undefined;
    if (hooks.any && (hooks.withPidFile || !both)) return;
    throw new UnsupportedError({
      feature: hooks.any ? "preExec with pidFile" : "preExec",
      driver: "launcher",
      remedy: hooks.any ? "use a runtime with FFI" : "use Node 22.15 or newer",
      command: plan.command,
    });
  };
  const requireExec = (plan: Plan): Execve => {
    if (runtime.execve === undefined) {
      throw new UnsupportedError({
        feature: "exec",
        driver: "launcher",
        reason: "a process of this runtime cannot replace itself without FFI",
        remedy: "use FFI, or Node 22.15 or newer",
        command: plan.command,
      });
    }
    requireExecDescriptors(plan);
    return runtime.execve;
  };
  return {
    info: () => ({
      runtime: host.runtime,
      version: host.version,
      driver: "launcher",
      os: "linux",
      arch: arch.name,
      reason,
      missing: {},
      features,
    }),
    asyncScope,
    system: systemOf(host, { nofile: true }),
    check(plan, verb) {
      requirePermitted(host, plan, () => plan.exec.env);
      if (verb === "exec") requireExec(plan);
      requireHook(plan);
      requireLsm(textOfFile, plan, "launcher");
      requireCredentials(plan);
    },
    start: (plan, cancel) => starter.start(plan, cancel),
    runSync: (plan, run) => runSync({ arch, spawner, host }, plan, run),
    exec(plan): never {
      return execByFile(arch, requireExec(plan), plan);
    },
    explain: (plan) => explainPlan(plan),
    closeFd: (fd) => closeSync(fd),
    writeFd(fd, bytes) {
      for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
    },
  };
}
