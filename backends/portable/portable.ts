/**
 * The portable driver: the runtime's own spawner alone. It has what all systems have, and refuses
 * the rest.
 *
 * @module
 */

import { SIGKILL } from "../../core/timing.ts";
import { closeSync, writeSync } from "node:fs";
import type { Backend, Process, SyncOutcome, SyncRun } from "../../core/backend.ts";
import { UnsupportedError } from "../../core/errors.ts";
import type { Feature } from "../../core/tables/features.ts";
import { own, shielded } from "../../core/own.ts";
import { findStep, type Plan, stepOf } from "../../core/plan/plan.ts";
import { asyncScope } from "../async_scope.ts";
import { type UnlinkedFile, writeUnlinkedData } from "../spawner/unlinked_file.ts";
import { contentOf } from "../spawner/unlinked_file.ts";
import { createForChild } from "../spawner/descriptors.ts";
import type { Host } from "../spawner/host.ts";
import { unignoreSigchld } from "../posix/signals.ts";
import { type OwnProcess, systemOf } from "../posix/system.ts";
import { retryOnTextBusy, retryOnTextBusySync } from "../spawner/text_busy.ts";
import {
  REAL_TIME,
  type Spawned,
  type Spawner,
  type SpawnRequest,
  StartError,
  type Stdio,
  type SyncRequest,
  type SyncSpawned,
} from "../spawner/spawner.ts";
import { blamed, requireEndable, requireFolder, requireProgram } from "../spawner/checks.ts";
import { type Merged, merged } from "./merged.ts";
import { portableFeatures, requireCapsGone, requireFeatures } from "./needs.ts";
import { setupStdio } from "./child_fds.ts";
import { E } from "../../core/tables/kernel.ts";

/** What the driver is built on. */
export interface PortableRuntime extends OwnProcess {
  readonly runtime: string;
  readonly version: string;
  readonly os: string;
  readonly arch: string;
  readonly spawner: Spawner;
  readonly onSigchld: Host["onSigchld"];
  /** How the spawner is called, for `explain()`: `Bun.spawn`. */
  readonly spawnerName: string;
  /** What this runtime has besides what all have. */
  readonly features: readonly Feature[];
  /** What would give the other features. */
  readonly remedy: string;
  /** Whether a synchronous run can be stopped that writes too much. */
  readonly boundsSync: boolean;
}

/** Makes the portable driver. */
export function portableBackend(runtime: PortableRuntime, reason: string): Backend {
  unignoreSigchld(runtime.onSigchld);
  const features = portableFeatures(runtime.features);
  const { spawner, remedy } = runtime;
  const noExec = (plan: Plan) =>
    new UnsupportedError({ feature: "exec", driver: "portable", remedy, command: plan.command });
  return {
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
      if (verb === "exec") throw noExec(plan);
      requireFeatures(plan, features, remedy);
      requireCapsGone(plan);
      requireFolder(plan);
      requireProgram(plan, runtime.os);
    },
    start: (plan) => start(spawner, plan),
    runSync(plan, run) {
      if (run.maxBuffer !== Infinity && !runtime.boundsSync) {
        throw new UnsupportedError({
          feature: "maxBuffer",
          driver: "portable",
          reason: "this runtime gathers all output of a synchronous run",
          remedy: "use run(), or another driver",
        });
      }
      if (run.timeout !== undefined && spawner.accepts?.("timeout") === false) {
        throw new UnsupportedError({
          feature: "timeout",
          driver: "portable",
          reason: "this release of the runtime cannot end a synchronous run",
          remedy: "use run(), or a newer release",
        });
      }
      requireEndable(plan, run);
      return runSync(spawner, plan, run);
    },
    exec(plan): never {
      throw noExec(plan);
    },
    explain(plan) {
      requireFeatures(plan, features, remedy);
      return explain(runtime, plan);
    },
    closeFd: (fd) => closeSync(fd),
    writeFd(fd, bytes) {
      for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
    },
  };
}

async function start(spawner: Spawner, plan: Plan): Promise<Process> {
  const childFds = shielded(() => setupStdio(plan));
  let both: Merged | undefined;
  try {
    if (childFds.merges) both = await merged();
    const stdio = both === undefined ? childFds.stdio : withBoth(childFds.stdio, both.fd);
    const spawned = await spawnWith(spawner, requestOf(plan, stdio), plan);
    both?.release();
    return processOf(spawned, both);
  } catch (error) {
    both?.close();
    throw error;
  } finally {
    childFds.close();
  }
}

/** Both outputs, to one descriptor. */
function withBoth(stdio: readonly Stdio[], fd: number): Stdio[] {
  return stdio.map((each, i) => i === 1 || i === 2 ? fd : each);
}

/** Starts it, and says of a failure which file is at fault. */
async function spawnWith(spawner: Spawner, request: SpawnRequest, plan: Plan): Promise<Spawned> {
  try {
    return await retryOnTextBusy(() => spawner.spawn(request), isTextBusy);
  } catch (error) {
    throw blamed(plan, error);
  }
}

function isTextBusy(error: unknown): boolean {
  return error instanceof StartError && error.errno === E.ETXTBSY;
}

function processOf(spawned: Spawned, both: Merged | undefined): Process {
  const { pid, exited, stdin, stderr, kill, ref, unref } = spawned;
  const stdout = both?.source ?? spawned.stdout;
  return {
    pid,
    exited,
    buffers: [],
    ...(stdin === undefined ? {} : { stdin }),
    ...(stdout === undefined ? {} : { stdout }),
    ...(stderr === undefined ? {} : { stderr }),
    kill,
    ref,
    unref,
  };
}

function runSync(spawner: Spawner, plan: Plan, run: SyncRun): SyncOutcome {
  const childFds = setupStdio(plan);
  const files: UnlinkedFile[] = [];
  try {
    let { stdio } = childFds;
    if (childFds.merges) {
      const file = createForChild(plan, () => writeUnlinkedData(new Uint8Array(0)));
      files.push(file);
      stdio = withBoth(stdio, file.fd);
    }
    const request = {
      ...requestOf(plan, stdio),
      stdio: stdio.filter((each) => each !== "channel"),
      input: run.input,
      // The runtimes count in 32 bits.
      timeout: (run.timeout ?? Infinity) > 0x7fff_ffff ? undefined : run.timeout,
      // A spawner that waits sends one signal only, and a program may ignore any but this one.
      // Nor is it able to send one that it has no name for.
      killSignal: run.timeout === undefined && run.killSignal < REAL_TIME
        ? run.killSignal
        : SIGKILL,
      maxBuffer: run.maxBuffer,
    };
    const spawned = spawnSyncWith(spawner, request, plan);
    const { lost = false, ...outcome } = own(spawned);
    const [file] = files;
    return { ...outcome, ...(file && bothOf(file, run.maxBuffer)), drained: !lost };
  } finally {
    for (const file of files) file.close();
    childFds.close();
  }
}

/** What came of both outputs. Nobody counted while it was written. */
function bothOf(
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
    throw blamed(plan, error);
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
  const { path, displayArgv: shownArgv, displayEnv: shownEnv, inherits } = plan.exec;
  const ids = findStep(plan, "identity")?.ids;
  const cwd = findStep(plan, "chdir")?.path;
  const options = {
    argv: shownArgv,
    ...(inherits ? {} : { env: shownEnv }),
    ...(cwd === undefined ? {} : { cwd }),
    ...(ids?.uid === undefined ? {} : { uid: ids.uid }),
    ...(ids?.gid === undefined ? {} : { gid: ids.gid }),
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
