/**
 * The launcher driver: child programs without FFI. This file puts its parts together.
 *
 * @module
 */

import { closeSync } from "node:fs";
import type { Backend } from "../../core/backend.ts";
import { asyncScope } from "../async_scope.ts";
import type { Arch } from "../child_program/arch.ts";
import { explainPlan } from "../child_program/explain.ts";
import { requirePermitted } from "../permitted.ts";
import type { Host } from "../spawner/host.ts";
import { requireLsm } from "../child_program/lsm.ts";
import { textOfFile, writeAll } from "../posix/files.ts";
import { unignoreSigchld } from "../posix/signals.ts";
import { systemOf } from "../posix/system.ts";
import type { Spawner } from "../spawner/spawner.ts";
import { requireCredentials } from "./credentials.ts";
import { execByFile } from "./exec.ts";
import { missingSupport } from "./kernel_support.ts";
import {
  launcherFeatures,
  requireExec,
  requireHookFeatures,
  type RuntimeFeatures,
} from "./requirements.ts";
import { LauncherStarter } from "./starter.ts";
import { testLauncher } from "./self_test.ts";
import { runSync } from "./sync.ts";

/** Returns the launcher driver. Throws an UnsupportedError if no program file can be started. */
export function launcherBackend(
  host: Host,
  arch: Arch,
  spawner: Spawner,
  reason: string,
  runtime: RuntimeFeatures,
): Backend {
  unignoreSigchld(host.onSigchld);
  const { hooks, execve } = runtime;
  const kernel = testLauncher(arch, spawner);
  const starter = new LauncherStarter(host, arch, spawner, kernel);
  const features = launcherFeatures(runtime);
  return {
    driver: "launcher",
    info: () => ({
      runtime: host.runtime,
      version: host.version,
      driver: "launcher",
      os: "linux",
      arch: arch.name,
      reason,
      missing: missingSupport(kernel),
      features,
    }),
    asyncScope,
    system: systemOf(host, { nofile: true }),
    check(plan, verb) {
      if (verb === "exec") requireExec(plan, execve);
      requireHookFeatures(host, plan, hooks);
      requirePermitted(host, plan, "launcher", () => plan.exec.env);
      requireLsm(textOfFile, plan, "launcher");
      requireCredentials(plan);
    },
    start: (plan, cancel) => starter.start(plan, cancel),
    runSync: (plan, run) => runSync({ arch, spawner, host, kernel }, plan, run),
    exec: (plan) => execByFile(arch, requireExec(plan, execve), plan),
    explain: (plan) => explainPlan(plan),
    closeFd: closeSync,
    writeFd: writeAll,
  };
}
