/**
 * The synchronous run without FFI: `spawnSync` of a program file that holds the whole child program
 * and its supervisor, since nothing can be sent to it while this thread waits. The supervisor
 * writes its report to a file.
 *
 * @module
 */

import { process } from "../process.ts";
import type { SyncOutcome, SyncRun } from "../../core/backend.ts";
import { KillError, UnsupportedError } from "../../core/errors.ts";
import { defined } from "../../core/own.ts";
import { SIGKILL } from "../../core/timing.ts";
import { findStep, type Plan, stepOf } from "../../core/plan/plan.ts";
import { E } from "../../core/tables/kernel.ts";
import type { Arch } from "../child_program/arch.ts";
import { elfOf } from "../child_program/elf.ts";
import type { Host } from "../spawner/host.ts";
import { parseStatus } from "../child_program/protocol.ts";
import { hookRuntime } from "../child_program/hook_split.ts";
import { encodeForFile } from "../child_program/encode_file.ts";
import { failureOf, type Programs } from "../child_program/launch_failure.ts";
import { isDaemon } from "../child_program/stages.ts";
import { createForChild, requireDescriptors } from "../spawner/descriptors.ts";
import { errnoOf, type Spawner, type Stdio, type SyncSpawned } from "../spawner/spawner.ts";
import { retryOnTextBusySync } from "../spawner/text_busy.ts";
import {
  contentOf,
  type UnlinkedFile,
  writeUnlinkedData,
  writeUnlinkedProgram,
} from "../spawner/unlinked_file.ts";
import { elevated } from "../posix/elevated.ts";
import { lowerAll, setPipeModes } from "./assembly.ts";
import { type ChildFds, setupStdio, stdioWith } from "./child_fds.ts";
import { restoreFor } from "./credentials.ts";
import { discardDaemon, killDaemon } from "./daemon.ts";
import { FAILURE_HANDLING, isTextBusy, launcherError } from "./start_failure.ts";
import { type KernelSupport, openBelow } from "./kernel_support.ts";
import { supervise } from "./supervisor.ts";
import { aboveSupervisor, aliveFd } from "./supervisor_fds.ts";
import { parseReport, type SupervisorReport } from "./supervisor_report.ts";

/** What synchronous runs need. */
export interface SyncService {
  readonly arch: Arch;
  readonly spawner: Spawner;
  readonly host: Host;
  readonly kernel: KernelSupport;
}

/** Runs a child until it ends. */
export function runSync(service: SyncService, plan: Plan, run: SyncRun): SyncOutcome {
  return retryOnTextBusySync(() => runOnce(service, plan, run), isTextBusy);
}

function runOnce(service: SyncService, plan: Plan, run: SyncRun): SyncOutcome {
  requireDescriptors(plan);
  const files = new RunFiles(plan);
  // Set once there may be a child that has reported.
  let started: UnlinkedFile | undefined;
  try {
    const report = files.writeData(new Uint8Array(0));
    const childFds = setupStdio(plan, {
      stdio: [...streamsOf(plan), report.fd],
      pipeFd: bufferFiles(run, files),
    });
    try {
      const supervised = writeSupervisor(service, plan, run, childFds, files);
      const { program, hookFile } = supervised;
      const stdio = stdioWith(childFds, hookFile?.fd);
      const spawned = spawnSupervisor(service.spawner, plan, run, program.path, stdio);
      started = report;
      return outcomeOf(plan, spawned, contentOf(report.fd), supervised);
    } finally {
      childFds.close();
    }
  } catch (error) {
    if (started !== undefined && isDaemon(plan)) endFailedDaemon(plan, started.fd);
    throw error;
  } finally {
    files.close();
  }
}

/** The temporary files of one run. */
class RunFiles {
  readonly #plan: Plan;
  readonly #files: UnlinkedFile[] = [];

  constructor(plan: Plan) {
    this.#plan = plan;
  }

  writeData(bytes: Uint8Array): UnlinkedFile {
    return this.#own(() => writeUnlinkedData(bytes));
  }

  writeProgram(bytes: Uint8Array): UnlinkedFile {
    return this.#own(() => writeUnlinkedProgram(bytes));
  }

  close(): void {
    for (const file of this.#files) file.close();
  }

  #own(write: () => UnlinkedFile): UnlinkedFile {
    const file = createForChild(this.#plan, write);
    this.#files.push(file);
    return file;
  }
}

/** The standard streams of the supervisor: a pipe wherever the program has one. */
function streamsOf(plan: Plan): Stdio[] {
  const piped = new Set(
    stepOf(plan, "fds").childFds.map(({ source }) => source.from === "pipe" && source.carries),
  );
  return (["stdin", "stdout", "stderr"] as const).map((name) => piped.has(name) ? "pipe" : "null");
}

/**
 * Returns what makes the files that stand in for pipes: nobody could write into a pipe meanwhile.
 */
function bufferFiles(
  { buffers }: SyncRun,
  files: RunFiles,
): (carries: string) => number | undefined {
  let next = 0;
  return (carries) => {
    if (carries !== "buffer") return undefined;
    return files.writeData(buffers[next++] ?? new Uint8Array(0)).fd;
  };
}

/** A supervisor that is ready to run. */
interface WrittenSupervisor {
  readonly program: UnlinkedFile;
  readonly hookFile: UnlinkedFile | undefined;
  readonly programs: Programs;
  /** Whether the program is a daemon with a hook. */
  readonly outlives: boolean;
}

/** Writes the file of a supervisor with the child program in it, and that of a hook. */
function writeSupervisor(
  { arch, host, kernel }: SyncService,
  plan: Plan,
  run: SyncRun,
  childFds: ChildFds,
  files: RunFiles,
): WrittenSupervisor {
  const control = aboveSupervisor(childFds);
  const restore = restoreFor(plan);
  const runtime = () => hookRuntime(host, plan, "launcher", { elevated: elevated() });
  const below = openBelow(kernel, control);
  const support = { arch, runtime, restore, openBelow: below };
  const outlives = isDaemon(plan) && childFds.image !== undefined;
  const { halves, ...child } = lowerAll(plan, childFds, control, support, {
    alive: outlives ? aliveFd(childFds) : undefined,
    // A daemon is meant to outlive its parent.
    bound: !isDaemon(plan),
  });
  const hookFile = halves === undefined ? undefined : files.writeProgram(halves.file);
  const calls = [
    ...childFds.corrections,
    ...setPipeModes(plan, childFds.pipes),
    ...(halves === undefined ? restore : []),
    ...child.calls,
  ];
  const signal = findStep(plan, "dieWithParent")?.signal;
  const parentWatch = signal === undefined ? undefined : { parent: process.pid, signal };
  if (parentWatch !== undefined && !kernel.pidfds) throw watchesNoParent(plan);
  const options = { outlives, parentWatch, pidfds: kernel.pidfds, openBelow: below };
  const whole = supervise({ ...child, calls }, childFds, control, run, options);
  const { bytes, encoded } = encodeForFile(
    arch,
    whole,
    control,
  );
  const program = files.writeProgram(elfOf(arch, bytes));
  return { program, hookFile, programs: { encoded, afterHook: halves?.afterHook }, outlives };
}

function watchesNoParent({ command }: Plan): UnsupportedError {
  return new UnsupportedError({
    feature: "dieWithParent",
    driver: "launcher",
    reason: "a synchronous run needs pidfd_open(2) for it",
    remedy: "use run(), Linux 5.4 or newer, or a sandbox that permits pidfd_open(2)",
    command,
  });
}

/** Runs a supervisor until it ends. */
function spawnSupervisor(
  spawner: Spawner,
  plan: Plan,
  { input, maxBuffer }: SyncRun,
  path: string,
  stdio: readonly Stdio[],
): SyncSpawned {
  try {
    return spawner.spawnSync({
      path,
      argv: [path],
      env: {},
      stdio: stdio.filter((each) => each !== "channel"),
      input,
      // The supervisor keeps the time limit. The spawner kills it if there is too much output.
      timeout: undefined,
      killSignal: SIGKILL,
      maxBuffer,
    });
  } catch (error) {
    throw launcherError(plan, error);
  }
}

/** Returns the outcome of a run, from the report of its supervisor. Throws if it did not start. */
function outcomeOf(
  plan: Plan,
  spawned: SyncSpawned,
  reportBytes: Uint8Array,
  { programs, outlives }: Pick<WrittenSupervisor, "programs" | "outlives">,
): SyncOutcome {
  const report = parseReport(reportBytes);
  const status = parseStatus(report.status);
  const { pid, timedOut, drained } = report;
  if (timedOut && outlives) killDaemon(pid, status.daemonPid);
  const failure = failureOf(plan, programs, status, { ...FAILURE_HANDLING, cancelled: timedOut });
  if (failure !== undefined) throw failure;
  const daemonPid = timedOut ? undefined : status.daemonPid;
  const refusal = refusalOf(report);
  // Without a record of its end, the program was killed with its supervisor, by PR_SET_PDEATHSIG.
  const exit = report.exit ??
    (refusal === undefined ? { ...spawned.exit, raw: SIGKILL } : undefined);
  return {
    ...spawned,
    pid: daemonPid ?? pid ?? spawned.pid,
    exit,
    refusal,
    timedOut,
    drained,
    ...defined({ daemonPid }),
  };
}

/** Ends a daemon whose start has failed in this process, after the daemon reached its program. */
function endFailedDaemon(plan: Plan, reportFd: number): void {
  const { status, pid } = parseReport(contentOf(reportFd));
  const { daemonPid } = parseStatus(status);
  if (pid !== undefined && daemonPid !== undefined) discardDaemon(plan, pid, daemonPid);
}

/**
 * Returns why a program that had to end still runs; undefined if it has ended. When there is too
 * much output, the spawner kills the supervisor; this does not end a program that this process may
 * not send signals to.
 */
function refusalOf({ pid, refused, exit }: SupervisorReport): KillError | undefined {
  if (pid === undefined || exit !== undefined) return undefined;
  const errno = refused ?? signalErrno(pid);
  return errno === undefined ? undefined : new KillError({ pid, signal: SIGKILL, errno });
}

/** Returns the errno with which signals to a process are refused; undefined if they are not. */
function signalErrno(pid: number): number | undefined {
  try {
    process.kill(pid, 0);
    return undefined;
  } catch (error) {
    const errno = errnoOf(error);
    // It has ended.
    return errno === E.ESRCH ? undefined : errno;
  }
}
