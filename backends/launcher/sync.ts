/**
 * The synchronous run without FFI: `spawnSync` of a program file that holds the whole child
 * program and its supervisor, since nobody could talk to it. What it has to report it writes to a
 * file.
 *
 * @module
 */

import { fstatSync, readSync } from "node:fs";
import process from "node:process";
import type { SyncOutcome, SyncRun } from "../../core/backend.ts";
import { KillError } from "../../core/errors.ts";
import { SIGKILL } from "../../core/timing.ts";
import { type Plan, stepOf } from "../../core/plan.ts";
import type { Arch } from "../linux/arch.ts";
import { elfOf } from "../linux/elf.ts";
import type { Host } from "../linux/host.ts";
import { hookRuntime, parseTold, silentHook } from "../linux/talk.ts";
import { errnoOf, type Spawner, type Stdio, type SyncSpawned } from "../spawner/spawner.ts";
import { lowerAll } from "./assembly.ts";
import { laidOut } from "./boot.ts";
import { patientlySync } from "../spawner/busy.ts";
import { type Placed, placeFile, placeProgram } from "../spawner/place.ts";
import { aboveSupervisor, parseReport, supervise, type Supervised } from "./supervisor.ts";
import { failureTold, silentLauncher, startFailure, wasBusy } from "./starter.ts";
import { placedFor, requireDescriptors, stdioWith, wiresOf } from "./wires.ts";

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
  return patientlySync(() => runOnce(service, plan, run), wasBusy);
}

function runOnce({ arch, spawner, host }: SyncService, plan: Plan, run: SyncRun): SyncOutcome {
  const files: Placed[] = [];
  const place = (make: () => Placed) => {
    const file = placedFor(plan, make);
    files.push(file);
    return file;
  };
  requireDescriptors(plan);
  try {
    const report = place(() => placeFile(new Uint8Array(0)));
    let buffer = 0;
    const piped = new Set(
      stepOf(plan, "fds").wires.map(({ source }) => source.from === "pipe" && source.carries),
    );
    const streams = (["stdin", "stdout", "stderr"] as const).map((each): Stdio =>
      piped.has(each) ? "pipe" : "null"
    );
    const wires = wiresOf(plan, {
      stdio: [...streams, report.fd],
      pipe: (carries) => {
        if (carries !== "buffer") return undefined;
        const bytes = run.buffers[buffer++] ?? new Uint8Array(0);
        return { handed: place(() => placeFile(bytes)).fd };
      },
    });
    try {
      const control = aboveSupervisor(wires);
      const support = { arch, runtime: hookRuntime(host) };
      const { halves, ...child } = lowerAll(plan, wires, control, support);
      const image = halves === undefined ? undefined : place(() => placeProgram(halves.file));
      const calls = [...wires.corrections, ...child.calls];
      const whole = supervise({ ...child, calls }, wires, control, run);
      const { bytes, encoded } = laidOut(arch, whole, control);
      const program = place(() => placeProgram(elfOf(arch, bytes)));
      const spawned = spawn(spawner, plan, run, program.path, stdioWith(wires, image?.fd));
      const { told, ...supervised } = parseReport(contentOf(report.fd));
      const words = parseTold(told);
      const failure = failureTold(plan, { encoded, second: halves?.second }, words);
      if (failure !== undefined) throw failure;
      const { runs, daemonPid } = words;
      const { timedOut, drained } = supervised;
      const refusal = refusalOf(supervised);
      // Without a record of its end, it was ended with its supervisor: see PR_SET_PDEATHSIG there.
      const exit = supervised.exit ??
        (refusal === undefined ? { ...spawned.exit, raw: SIGKILL } : undefined);
      if (!runs && !timedOut) throw halves === undefined ? silentLauncher(plan) : silentHook(plan);
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
      wires.close();
    }
  } finally {
    for (const file of files) file.close();
  }
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
      argv: ["vircommand"],
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
function refusalOf({ pid, refused, exit }: Omit<Supervised, "told">): KillError | undefined {
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
    return errno === ESRCH ? undefined : errno;
  }
}

const ESRCH = 3;

/** All of a file, by its descriptor. */
export function contentOf(fd: number): Uint8Array {
  const { size } = fstatSync(fd);
  const bytes = new Uint8Array(size);
  return bytes.subarray(0, readSync(fd, bytes, 0, size, 0));
}
