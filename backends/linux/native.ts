/**
 * The native driver: child programs through FFI. This file puts the engine's parts together; each
 * of them has a file of its own.
 *
 * @module
 */

import type { Backend, BackendInfo, SyncOutcome, SyncRun } from "../../core/backend.ts";
import { type Feature, FEATURES } from "../../core/features.ts";
import { own } from "../../core/own.ts";
import type { Plan } from "../../core/plan.ts";
import { asyncScope } from "../async_scope.ts";
import type { Arch } from "./arch.ts";
import { execInPlace } from "./exec.ts";
import { explainPlan } from "./explain.ts";
import { textOf } from "./files.ts";
import type { Host } from "./host.ts";
import { Kernel } from "./kernel.ts";
import type { Libc } from "./libc.ts";
import { hasApparmor, hasSelinux, type ReadText, requireLsm } from "./lsm.ts";
import { testedCloner } from "./self_test.ts";
import { BUSY_RETRIES } from "../spawner/busy.ts";
import { type Running, Starter } from "./starter.ts";
import { surroundingsOf } from "./surroundings.ts";
import { needsTalk } from "./talk.ts";
import { waitSync } from "./sync.ts";
import { heedChildren } from "./reaper.ts";
import type { Wiring } from "./wires.ts";

/** Makes the native driver. Throws if the system refuses what it is built on. */
export function nativeBackend(host: Host, libc: Libc, arch: Arch, reason: string): Backend {
  const kernel = new Kernel(libc, arch);
  heedChildren(kernel);
  const starter = new Starter(kernel, host, testedCloner(kernel));
  host.onThreadEnd?.(() => starter.close());
  const read = (path: string) => textOf(kernel, path);

  function runSync(plan: Plan, run: SyncRun): SyncOutcome {
    const wiring = starter.wire(plan);
    try {
      const { late = false, ...child } = own(startSync(plan, wiring, run.timeout));
      wiring.closeChildEnds();
      const ends = wiring.takeParentEnds();
      const outcome = waitSync(kernel, child, ends, run, (pid) => starter.adopt(pid));
      return late ? { ...outcome, timedOut: true } : outcome;
    } finally {
      wiring.close();
    }
  }

  function startSync(plan: Plan, wiring: Wiring, timeout: number | undefined): Running {
    if (needsTalk(plan)) return starter.startTalkingSync(plan, wiring, timeout);
    for (const delay of BUSY_RETRIES) {
      const running = starter.attempt(plan, wiring, { pidfd: true });
      if (running !== undefined) return running;
      kernel.sleep(delay);
    }
    return starter.lastAttempt(plan, wiring, { pidfd: true });
  }

  return {
    info: () => infoOf(host, kernel, reason),
    asyncScope,
    surroundings: surroundingsOf(kernel, host),
    start(plan, cancel) {
      requireLsm(read, plan, "native");
      return starter.start(plan, cancel);
    },
    runSync(plan, run) {
      requireLsm(read, plan, "native");
      return runSync(plan, run);
    },
    exec(plan): never {
      requireLsm(read, plan, "native");
      return execInPlace(starter, plan);
    },
    explain: (plan) => explainPlan(plan, starter.resets),
    closeFd(fd) {
      if (host.closeRecorded?.(fd) !== true) kernel.close(fd);
    },
    writeFd: (fd, bytes) => kernel.writeAll(fd, bytes),
  };
}

/** Everything, but for the labels of security modules that this kernel does not run. */
function featuresOf(read: ReadText): Record<Feature, boolean> {
  const all = Object.fromEntries(FEATURES.map((name) => [name, true])) as Record<Feature, boolean>;
  return { ...all, selinuxLabel: hasSelinux(read), apparmorProfile: hasApparmor(read) };
}

function infoOf(host: Host, kernel: Kernel, reason: string): BackendInfo {
  return {
    runtime: host.runtime,
    version: host.version,
    driver: "native",
    os: "linux",
    arch: kernel.arch.name,
    reason,
    features: featuresOf((path) => textOf(kernel, path)),
  };
}
