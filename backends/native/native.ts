/**
 * The native driver: child programs through FFI. This file puts its parts together; each of them has
 * a file of its own.
 *
 * @module
 */

import { performance } from "../../core/clock.ts";
import { missingPrimitives } from "./primitives.ts";
import type { Backend, BackendInfo, SyncOutcome, SyncRun } from "../../core/backend.ts";
import { type Feature, FEATURES } from "../../core/tables/features.ts";
import { own } from "../../core/own.ts";
import type { Plan } from "../../core/plan/plan.ts";
import { asyncScope } from "../async_scope.ts";
import type { Arch } from "../child_program/arch.ts";
import { execInPlace } from "./exec.ts";
import { explainPlan } from "../child_program/explain.ts";
import { textOf } from "./files.ts";
import type { Host } from "../spawner/host.ts";
import { Kernel } from "./kernel.ts";
import type { Libc } from "./libc.ts";
import { hasApparmor, hasSelinux, type ReadText, requireLsm } from "../child_program/lsm.ts";
import { testedCloner } from "./self_test.ts";
import { Starter } from "./starter.ts";
import type { Stage } from "./stage_two.ts";
import { systemOf } from "./system.ts";
import { waitSync } from "./sync.ts";
import { watchSigchld } from "./reaper.ts";

/** Makes the native driver. Throws if the system refuses what it is built on. */
export function nativeBackend(
  host: Host,
  libc: Libc,
  arch: Arch,
  { reason, stage }: { readonly reason: string; readonly stage: Stage | undefined },
): Backend {
  const kernel = new Kernel(libc, arch, { lasting: host.lasting });
  watchSigchld(kernel);
  const starter = new Starter(kernel, host, testedCloner(kernel), stage);
  host.onThreadEnd?.(() => starter.close());
  const read = (path: string) => textOf(kernel, path);
  return {
    driver: "native",
    info: () => ({
      ...infoOf(host, kernel, reason),
      stage: starter.stages.stage,
      missing: missingPrimitives(kernel, {
        clone3: starter.cloner.clearsHandlers,
        proc: textOf(kernel, "/proc/self/stat") !== undefined,
      }),
    }),
    asyncScope,
    system: systemOf(kernel, host),
    check(plan) {
      starter.requirePermitted(plan);
      requireLsm(read, plan, "native");
    },
    start: (plan, cancel) => starter.start(plan, cancel),
    runSync: (plan, run) => runSync(starter, plan, run),
    exec: (plan): never => execInPlace(starter, plan),
    explain: (plan) => explainPlan(plan, { resets: starter.resets, stage: starter.stages.stage }),
    // The checks must be between turns of the event loop that reaps the runtime's own children.
    ...(host.lasting
      ? { reapOrphans: (subreaper: boolean) => starter.orphans.reap(subreaper) }
      : {}),
    closeFd(fd) {
      if (host.closeRecorded?.(fd) !== true) kernel.close(fd);
    },
    writeFd: (fd, bytes) => kernel.writeAll(fd, bytes),
  };
}

function runSync(starter: Starter, plan: Plan, run: SyncRun): SyncOutcome {
  const childFds = starter.setupStdio(plan);
  try {
    const since = performance.now();
    const { late = false, ...child } = own(starter.startSync(plan, childFds, run.timeout));
    childFds.closeChildEnds();
    // The time limit counts from the start.
    const timeout = run.timeout === undefined
      ? undefined
      : Math.max(0, run.timeout - (performance.now() - since));
    const rest = { ...run, timeout };
    const ends = childFds.takeParentEnds();
    const outcome = waitSync(starter.kernel, child, ends, rest, (pid) => starter.adopt(pid));
    return late ? { ...outcome, timedOut: true } : outcome;
  } finally {
    childFds.close();
  }
}

/** Everything, but for the labels of security modules that this kernel does not run. */
function featuresOf(read: ReadText): Record<Feature, boolean> {
  const all = Object.fromEntries(FEATURES.map((name) => [name, true])) as Record<Feature, boolean>;
  return { ...all, selinuxLabel: hasSelinux(read), apparmorProfile: hasApparmor(read) };
}

function infoOf(host: Host, kernel: Kernel, reason: string): Omit<BackendInfo, "missing"> {
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
