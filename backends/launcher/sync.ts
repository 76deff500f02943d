/**
 * The synchronous run without FFI: `spawnSync` of a program file that holds the whole child
 * program and its supervisor, since nobody could talk to it. What it has to report it writes to a
 * file.
 *
 * @module
 */

import { process } from "../process.ts";
import type { SyncOutcome, SyncRun } from "../../core/backend.ts";
import { KillError } from "../../core/errors.ts";
import { SIGKILL } from "../../core/timing.ts";
import { findStep, type Plan, stepOf } from "../../core/plan/plan.ts";
import type { Arch } from "../child_program/arch.ts";
import { elfOf } from "../child_program/elf.ts";
import type { Host } from "../spawner/host.ts";
import { parseStatus } from "../child_program/protocol.ts";
import { hookRuntime } from "../child_program/hook_split.ts";
import { encodeForFile } from "../child_program/encode_file.ts";
import { failureOf } from "../child_program/launch.ts";
import { errnoOf, type Spawner, type Stdio, type SyncSpawned } from "../spawner/spawner.ts";
import { elevated } from "../posix/elevated.ts";
import { lowerAll, openToOthers } from "./assembly.ts";
import { retryOnTextBusySync, sleepSync } from "../spawner/text_busy.ts";
import {
  type UnlinkedFile,
  writeUnlinkedData,
  writeUnlinkedProgram,
} from "../spawner/unlinked_file.ts";
import { isDaemon } from "../child_program/stages.ts";
import { aboveSupervisor, aliveFd, parseReport, supervise, type Supervised } from "./supervisor.ts";
import { discardPidFile } from "./pid_file.ts";
import { restoreFor } from "./credentials.ts";
import { BLAME, killDaemon, startFailure, wasTextBusy } from "./starter.ts";
import { setupStdio, stdioWith } from "./child_fds.ts";
import { requireDescriptors, writtenFor } from "../spawner/descriptors.ts";
import { contentOf } from "../spawner/unlinked_file.ts";
import { E } from "../../core/tables/kernel.ts";

/** What a synchronous run is made with. */
export interface SyncService {
  readonly arch: Arch;
  readonly spawner: Spawner;
  readonly host: Host;
}

/** Runs a child to its end. */
export function runSync(
  service: SyncService,
  plan: Plan,
  run: SyncRun,
): SyncOutcome {
  return retryOnTextBusySync(() => runOnce(service, plan, run), wasTextBusy);
}

function runOnce({ arch, spawner, host }: SyncService, plan: Plan, run: SyncRun): SyncOutcome {
  const files: UnlinkedFile[] = [];
  const write = (make: () => UnlinkedFile) => {
    const file = writtenFor(plan, make);
    files.push(file);
    return file;
  };
  requireDescriptors(plan);
  /** What is reported of a child that was started. */
  let started: UnlinkedFile | undefined;
  try {
    const report = write(() => writeUnlinkedData(new Uint8Array(0)));
    let buffer = 0;
    const piped = new Set(
      stepOf(plan, "fds").childFds.map(({ source }) => source.from === "pipe" && source.carries),
    );
    const streams = (["stdin", "stdout", "stderr"] as const).map((each): Stdio =>
      piped.has(each) ? "pipe" : "null"
    );
    const childFds = setupStdio(plan, {
      stdio: [...streams, report.fd],
      pipe: (carries) => {
        if (carries !== "buffer") return undefined;
        const bytes = run.buffers[buffer++] ?? new Uint8Array(0);
        return { handed: write(() => writeUnlinkedData(bytes)).fd };
      },
    });
    try {
      const control = aboveSupervisor(childFds);
      const runtime = hookRuntime(host, elevated());
      const support = { arch, runtime, restore: restoreFor(plan) };
      const outlives = isDaemon(plan) && childFds.image !== undefined;
      const alive = outlives ? aliveFd(childFds) : undefined;
      // A daemon is meant to outlive its parent.
      const bound = !isDaemon(plan);
      const { halves, ...child } = lowerAll(plan, childFds, control, support, { alive, bound });
      const image = halves === undefined
        ? undefined
        : write(() => writeUnlinkedProgram(halves.file));
      const restore = halves === undefined ? support.restore : [];
      const open = openToOthers(plan, childFds.pipes);
      const calls = [...childFds.corrections, ...open, ...restore, ...child.calls];
      const signal = findStep(plan, "dieWithParent")?.signal;
      const bond = signal === undefined ? undefined : { parent: process.pid, signal };
      const whole = supervise({ ...child, calls }, childFds, control, run, { outlives, bond });
      const { bytes, encoded } = encodeForFile(arch, whole, control);
      const program = write(() => writeUnlinkedProgram(elfOf(arch, bytes)));
      const spawned = spawn(spawner, plan, run, program.path, stdioWith(childFds, image?.fd));
      started = report;
      const { status: reported, ...supervised } = parseReport(contentOf(report.fd));
      const status = parseStatus(reported);
      const { timedOut, drained } = supervised;
      if (timedOut && outlives) endDaemon(supervised.pid, status.daemonPid);
      const programs = { encoded, afterHook: halves?.second };
      const failure = failureOf(plan, programs, status, { ...BLAME, cancelled: timedOut });
      if (failure !== undefined) throw failure;
      const daemonPid = timedOut ? undefined : status.daemonPid;
      const refusal = refusalOf(supervised);
      // Without a record of its end, it was ended with its supervisor: see PR_SET_PDEATHSIG there.
      const exit = supervised.exit ??
        (refusal === undefined ? { ...spawned.exit, raw: SIGKILL } : undefined);
      return {
        ...spawned,
        pid: daemonPid ?? supervised.pid ?? spawned.pid,
        exit,
        refusal,
        timedOut,
        drained,
        ...(daemonPid === undefined ? {} : { daemonPid }),
      };
    } finally {
      childFds.close();
    }
  } catch (error) {
    if (started !== undefined && isDaemon(plan)) endFailedDaemon(plan, started.fd);
    throw error;
  } finally {
    for (const file of files) file.close();
  }
}

/** Ends a daemon whose start has failed here, after it came to its program. */
function endFailedDaemon(plan: Plan, report: number): void {
  const { status: reported, pid } = parseReport(contentOf(report));
  const { daemonPid } = parseStatus(reported);
  if (pid === undefined || daemonPid === undefined) return;
  endDaemon(pid, daemonPid);
  const pidFile = findStep(plan, "pidFile");
  if (pidFile !== undefined) discardPidFile(pidFile.path, daemonPid);
}

/** How long a killed daemon may take to be gone, in milliseconds. */
const TO_END = 1000;

/** Kills a daemon in its hook, and waits until its locks are gone with it. */
function endDaemon(leader: number | undefined, pid: number | undefined): void {
  if (leader === undefined || pid === undefined || !killDaemon(leader, pid, SIGKILL)) return;
  for (let ms = 0; ms < TO_END && killDaemon(leader, pid, 0); ms++) sleepSync(1);
}

function spawn(
  spawner: Spawner,
  plan: Plan,
  { input, maxBuffer }: SyncRun,
  path: string,
  stdio: readonly Stdio[],
): SyncSpawned {
  const connected = stdio.filter((each) => each !== "channel");
  try {
    return spawner.spawnSync({
      path,
      argv: [path],
      env: {},
      stdio: connected,
      input,
      // The supervisor keeps the time. It is ended if there is too much output.
      timeout: undefined,
      killSignal: SIGKILL,
      maxBuffer,
    });
  } catch (error) {
    throw startFailure(plan, error);
  }
}

/**
 * Why the program is still running although it was to end, if it is. The spawner ends the
 * supervisor when there is too much output, and that ends no program which this process may not
 * send signals. It is the child of another process by now.
 */
function refusalOf({ pid, refused, exit }: Omit<Supervised, "status">): KillError | undefined {
  if (pid === undefined || exit !== undefined) return undefined;
  const errno = refused ?? probe(pid);
  return errno === undefined ? undefined : new KillError({ pid, signal: SIGKILL, errno });
}

/** The errno with which a process cannot be sent signals that is there. */
function probe(pid: number): number | undefined {
  try {
    process.kill(pid, 0);
    return undefined;
  } catch (error) {
    const errno = errnoOf(error);
    return errno === E.ESRCH ? undefined : errno;
  }
}
