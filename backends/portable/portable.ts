/**
 * The portable driver: the runtime's own spawner alone. It has the features that all systems have,
 * and refuses the others.
 *
 * @module
 */

import { SIGKILL } from "../../core/timing.ts";
import { closeSync } from "node:fs";
import type { Backend, Process, SyncOutcome, SyncRun } from "../../core/backend.ts";
import { UnsupportedError } from "../../core/errors.ts";
import type { Feature } from "../../core/tables/features.ts";
import { defined, own, shielded } from "../../core/own.ts";
import { findStep, type Plan, stepOf } from "../../core/plan/plan.ts";
import { asyncScope } from "../async_scope.ts";
import { contentOf, type UnlinkedFile, writeUnlinkedData } from "../spawner/unlinked_file.ts";
import { createForChild } from "../spawner/descriptors.ts";
import type { Host } from "../spawner/host.ts";
import { writeAll } from "../posix/files.ts";
import { unignoreSigchld } from "../posix/signals.ts";
import { type OwnProcess, systemOf } from "../posix/system.ts";
import { retryOnTextBusy, retryOnTextBusySync } from "../spawner/text_busy.ts";
import {
  FIRST_REAL_TIME,
  type Spawned,
  type Spawner,
  type SpawnRequest,
  StartError,
  type Stdio,
  type SyncRequest,
  type SyncSpawned,
} from "../spawner/spawner.ts";
import { programError, requireFolder, requireKillable, requireProgram } from "../spawner/checks.ts";
import { MergedOutput } from "./merged_output.ts";
import { portableFeatures, requireCapsGone, requireFeatures } from "./needs.ts";
import { setupStdio } from "./child_fds.ts";
import { E } from "../../core/tables/kernel.ts";

/** The runtime, as the driver needs it. */
export interface PortableRuntime extends OwnProcess {
  readonly runtime: string;
  readonly version: string;
  readonly os: string;
  readonly arch: string;
  readonly spawner: Spawner;
  readonly onSigchld: Host["onSigchld"];
  /** The name of the spawner, for `explain()`: `Bun.spawn`. */
  readonly spawnerName: string;
  /** The features of this runtime besides those that all runtimes have. */
  readonly features: readonly Feature[];
  /** How to get the other features. */
  readonly remedy: string;
  /** Whether it can end a synchronous run that writes more than a limit. */
  readonly limitsSyncOutput: boolean;
}

/** Returns the portable driver. */
export function portableBackend(runtime: PortableRuntime, reason: string): Backend {
  unignoreSigchld(runtime.onSigchld);
  const features = portableFeatures(runtime.features);
  const { spawner, remedy } = runtime;
  const execError = (plan: Plan) =>
    new UnsupportedError({ feature: "exec", driver: "portable", remedy, command: plan.command });
  return {
    driver: "portable",
    info: () => ({
      runtime: runtime.runtime,
      version: runtime.version,
      driver: "portable",
      os: runtime.os,
      arch: runtime.arch,
      reason,
      missing: {},
      features,
    }),
    asyncScope,
    system: systemOf(runtime, { nofile: false }),
    check(plan, verb) {
      if (verb === "exec") throw execError(plan);
      requireFeatures(plan, features, remedy);
      requireCapsGone(plan);
      requireFolder(plan);
      requireProgram(plan, runtime.os);
    },
    start: (plan) => start(spawner, plan),
    runSync(plan, run) {
      if (!runtime.limitsSyncOutput) requireNoMaxBuffer(run);
      if (spawner.accepts?.("timeout") === false) requireNoTimeout(run);
      requireKillable(plan, run);
      return runSync(spawner, plan, run);
    },
    exec(plan): never {
      throw execError(plan);
    },
    explain(plan) {
      requireFeatures(plan, features, remedy);
      return explain(runtime, plan);
    },
    closeFd: closeSync,
    writeFd: writeAll,
  };
}

function requireNoMaxBuffer({ maxBuffer }: SyncRun): void {
  if (maxBuffer === Infinity) return;
  throw new UnsupportedError({
    feature: "maxBuffer",
    driver: "portable",
    reason: "this runtime collects all output of a synchronous run",
    remedy: "use run(), or another driver",
  });
}

function requireNoTimeout({ timeout }: SyncRun): void {
  if (timeout === undefined) return;
  throw new UnsupportedError({
    feature: "timeout",
    driver: "portable",
    reason: "this release of the runtime cannot end a synchronous run",
    remedy: "use run(), or a newer release",
  });
}

async function start(spawner: Spawner, plan: Plan): Promise<Process> {
  const childFds = shielded(() => setupStdio(plan));
  let merged: MergedOutput | undefined;
  try {
    if (childFds.merges) merged = await MergedOutput.open();
    const stdio = merged === undefined ? childFds.stdio : withOutputs(childFds.stdio, merged.fd);
    const spawned = await spawnWith(spawner, requestOf(plan, stdio), plan);
    merged?.closeChildEnd();
    return processOf(spawned, merged);
  } catch (error) {
    merged?.close();
    throw error;
  } finally {
    childFds.close();
  }
}

/** Connects both outputs to one descriptor. */
function withOutputs(stdio: readonly Stdio[], fd: number): Stdio[] {
  return stdio.map((each, i) => i === 1 || i === 2 ? fd : each);
}

/** Starts a program. The error names the file that is at fault. */
async function spawnWith(spawner: Spawner, request: SpawnRequest, plan: Plan): Promise<Spawned> {
  try {
    return await retryOnTextBusy(() => spawner.spawn(request), isTextBusy);
  } catch (error) {
    throw programError(plan, error);
  }
}

function isTextBusy(error: unknown): boolean {
  return error instanceof StartError && error.errno === E.ETXTBSY;
}

function processOf(spawned: Spawned, merged: MergedOutput | undefined): Process {
  const { pid, exited, stdin, stderr, kill, ref, unref } = spawned;
  const stdout = merged?.source ?? spawned.stdout;
  return {
    pid,
    exited,
    buffers: [],
    ...defined({ stdin, stdout, stderr }),
    kill,
    ref,
    unref,
  };
}

function runSync(spawner: Spawner, plan: Plan, run: SyncRun): SyncOutcome {
  const childFds = setupStdio(plan);
  let merged: UnlinkedFile | undefined;
  try {
    let { stdio } = childFds;
    if (childFds.merges) {
      merged = createForChild(plan, () => writeUnlinkedData(new Uint8Array(0)));
      stdio = withOutputs(stdio, merged.fd);
    }
    const spawned = spawnSyncWith(spawner, syncRequestOf(plan, stdio, run), plan);
    const { lost = false, ...outcome } = own(spawned);
    return { ...outcome, ...(merged && mergedOutputOf(merged, run.maxBuffer)), drained: !lost };
  } finally {
    merged?.close();
    childFds.close();
  }
}

/** The longest time limit of the runtimes, which keep it in 32 bits; in milliseconds. */
const MAX_TIMEOUT_MS = 0x7fff_ffff;

function syncRequestOf(plan: Plan, stdio: readonly Stdio[], run: SyncRun): SyncRequest {
  const { timeout, killSignal, input, maxBuffer } = run;
  // A spawner that waits sends a single signal, and SIGKILL is the only one that a program cannot
  // ignore. Nor can it send a signal that it has no name for.
  const isEnough = timeout === undefined && killSignal < FIRST_REAL_TIME;
  return {
    ...requestOf(plan, stdio),
    stdio: stdio.filter((each) => each !== "channel"),
    input,
    timeout: (timeout ?? Infinity) > MAX_TIMEOUT_MS ? undefined : timeout,
    killSignal: isEnough ? killSignal : SIGKILL,
    maxBuffer,
  };
}

/** Returns both outputs from the file that they went to, which has no limit while it is written. */
function mergedOutputOf(
  { fd }: UnlinkedFile,
  maxBuffer: number,
): Pick<SyncOutcome, "stdout" | "overflowed"> {
  const stdout = contentOf(fd);
  const overflowed = stdout.length > maxBuffer ? "stdout" : undefined;
  return { stdout: stdout.subarray(0, maxBuffer), overflowed };
}

function spawnSyncWith(spawner: Spawner, request: SyncRequest, plan: Plan): SyncSpawned {
  try {
    return retryOnTextBusySync(() => spawner.spawnSync(request), isTextBusy);
  } catch (error) {
    throw programError(plan, error);
  }
}

function requestOf(plan: Plan, stdio: readonly Stdio[]): SpawnRequest {
  const exec = plan.exec;
  const ids = findStep(plan, "identity")?.ids;
  return {
    path: exec.path,
    argv: exec.argv,
    env: exec.inherits ? undefined : environmentOf(exec.env),
    cwd: findStep(plan, "chdir")?.path,
    uid: ids?.uid,
    gid: ids?.gid,
    stdio,
  };
}

function environmentOf(env: readonly string[]): Record<string, string> {
  return Object.fromEntries(env.map((each) => {
    const at = each.indexOf("=");
    return [each.slice(0, at), each.slice(at + 1)];
  }));
}

function explain({ spawnerName }: PortableRuntime, plan: Plan): string[] {
  const { path, displayArgv, displayEnv, inherits } = plan.exec;
  const ids = findStep(plan, "identity")?.ids;
  const cwd = findStep(plan, "chdir")?.path;
  const options = {
    argv: displayArgv,
    ...defined({ env: inherits ? undefined : displayEnv, cwd, uid: ids?.uid, gid: ids?.gid }),
    stdio: stepOf(plan, "fds").childFds.map(({ to, source }) => {
      switch (source.from) {
        case "fd":
          return `${to}: ${source.fd}`;
        case "file":
          return `${to}: ${source.path}`;
        case "same":
          return `${to}: as ${source.as}`;
        default:
          return `${to}: ${source.from}`;
      }
    }),
  };
  return [
    `${"exec".padEnd(12)} ${spawnerName}(${JSON.stringify(path)}, ${JSON.stringify(options)})`,
  ];
}
