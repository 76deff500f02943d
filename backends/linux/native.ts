/**
 * The native driver: child programs through FFI. This file puts the engine's parts together; each
 * of them has a file of its own.
 *
 * @module
 */

import type { Backend, BackendInfo, SyncOutcome, SyncRun } from "../../core/backend.ts";
import type { Plan } from "../../core/plan.ts";
import { asyncScope } from "../async_scope.ts";
import { aarch64 } from "./arch/aarch64.ts";
import { x86_64 } from "./arch/x86_64.ts";
import type { Arch } from "./arch.ts";
import { execInPlace } from "./exec.ts";
import { explainPlan } from "./explain.ts";
import type { Host } from "./host.ts";
import { Kernel } from "./kernel.ts";
import type { Libc } from "./libc.ts";
import { requireLsm } from "./lsm.ts";
import { BUSY_RETRIES, type Running, Starter } from "./starter.ts";
import { surroundingsOf } from "./surroundings.ts";
import { waitSync } from "./sync.ts";
import type { Wiring } from "./wires.ts";

/** The architectures that child programs are written for. */
const ARCHES: readonly Arch[] = [x86_64, aarch64];

/** The architecture by its name, if there is an interpreter for it. */
export function archNamed(name: string): Arch | undefined {
  const alias: Record<string, string> = { x64: "x86_64", arm64: "aarch64" };
  return ARCHES.find((arch) => arch.name === (alias[name] ?? name));
}

/** Makes the native driver. Throws if the system refuses what it is built on. */
export function nativeBackend(host: Host, libc: Libc, arch: Arch): Backend {
  const kernel = new Kernel(libc, arch);
  const starter = new Starter(kernel, host);

  function runSync(plan: Plan, run: SyncRun): SyncOutcome {
    const wiring = starter.wire(plan);
    try {
      const { pid, pidfd, daemon } = startSync(plan, wiring);
      wiring.closeChildEnds();
      const outcome = waitSync(kernel, { pid, pidfd }, wiring.takeParentEnds(), run);
      return daemon ? { ...outcome, daemonPid: pid } : outcome;
    } finally {
      wiring.close();
    }
  }

  function startSync(plan: Plan, wiring: Wiring): Running {
    for (const delay of BUSY_RETRIES) {
      const running = starter.attempt(plan, wiring);
      if (running !== undefined) return running;
      sleepSync(kernel, delay);
    }
    return starter.lastAttempt(plan, wiring);
  }

  return {
    info: () => infoOf(host, arch),
    asyncScope,
    surroundings: surroundingsOf(kernel, host),
    start(plan) {
      requireLsm(kernel, plan);
      return starter.start(plan);
    },
    runSync(plan, run) {
      requireLsm(kernel, plan);
      return runSync(plan, run);
    },
    exec(plan): never {
      requireLsm(kernel, plan);
      return execInPlace(starter, plan);
    },
    explain: (plan) => explainPlan(plan),
    closeFd(fd) {
      if (host.closeRecorded?.(fd) !== true) kernel.close(fd);
    },
    writeFd: (fd, bytes) => writeAll(kernel, fd, bytes),
  };
}

function infoOf(host: Host, arch: Arch): BackendInfo {
  return {
    runtime: host.runtime,
    version: host.version,
    driver: "native",
    os: "linux",
    arch: arch.name,
    reason: "FFI is available and a child program can be run through it",
    features: {},
  };
}

function sleepSync(kernel: Kernel, ms: number): void {
  kernel.view.setBigInt64(0, 0n, true);
  kernel.view.setBigInt64(8, BigInt(ms) * 1_000_000n, true);
  kernel.raw("nanosleep", kernel.scratch, 0);
}

function writeAll(kernel: Kernel, fd: number, bytes: Uint8Array): void {
  let rest = bytes;
  while (rest.length > 0) {
    const n = kernel.writeFrom(fd, rest);
    if (n < 0) throw kernel.error("write", n);
    rest = rest.subarray(n);
  }
}
