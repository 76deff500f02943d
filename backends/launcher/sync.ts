/**
 * The synchronous run without FFI: `spawnSync` of a program file that holds the whole child
 * program and its supervisor, since nobody could talk to it. What it has to report it writes to a
 * file.
 *
 * @module
 */

import { fstatSync, readSync } from "node:fs";
import type { SyncOutcome, SyncRun } from "../../core/backend.ts";
import { SpawnError } from "../../core/errors.ts";
import { type Plan, stepOf } from "../../core/plan.ts";
import type { Arch } from "../linux/arch.ts";
import { elfOf } from "../linux/elf.ts";
import { lower } from "../linux/lower.ts";
import { parseTold } from "../linux/talk.ts";
import type { Spawner, Stdio, SyncSpawned } from "../spawner/spawner.ts";
import { circumstancesOf } from "./assembly.ts";
import { laidOut } from "./boot.ts";
import { type Placed, placeFile, placeProgram } from "../spawner/place.ts";
import { aboveSupervisor, parseReport, supervise } from "./supervisor.ts";
import { failureOf, silentLauncher, startFailure } from "./starter.ts";
import { wiresOf } from "./wires.ts";

const ETXTBSY = 26;
const ATTEMPTS = 5;
const SIGKILL = 9;

/** Runs a child to its end. */
export function runSync(
  { arch, spawner }: { arch: Arch; spawner: Spawner },
  plan: Plan,
  run: SyncRun,
): SyncOutcome {
  for (let attempt = 1;; attempt++) {
    try {
      return runOnce(arch, spawner, plan, run);
    } catch (error) {
      const busy = error instanceof SpawnError && error.step === "exec" && error.errno === ETXTBSY;
      if (!busy || attempt === ATTEMPTS) throw error;
    }
  }
}

function runOnce(arch: Arch, spawner: Spawner, plan: Plan, run: SyncRun): SyncOutcome {
  const files: Placed[] = [];
  const place = (file: Placed) => {
    files.push(file);
    return file;
  };
  try {
    const report = place(placeFile(new Uint8Array(0)));
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
        return { handed: place(placeFile(run.buffers[buffer++] ?? new Uint8Array(0))).fd };
      },
    });
    try {
      const control = aboveSupervisor(wires);
      const child = lower(plan, circumstancesOf(wires, control));
      const calls = [...wires.corrections, ...child.calls];
      const whole = supervise({ ...child, calls }, wires, control, run);
      const { bytes, encoded } = laidOut(arch, whole, control);
      const program = place(placeProgram(elfOf(arch, bytes)));
      const spawned = spawn(spawner, plan, run, program.path, wires.stdio);
      const { told, ...supervised } = parseReport(contentOf(report.fd));
      const { notes, runs, daemonPid } = parseTold(told);
      if (notes !== undefined) throw failureOf(plan, encoded, notes, daemonPid);
      const { timedOut, drained, exit = spawned.exit } = supervised;
      if (!runs && !timedOut) throw silentLauncher(plan);
      return {
        ...spawned,
        pid: daemonPid ?? supervised.pid ?? spawned.pid,
        exit,
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

/** All of a file, by its descriptor. */
export function contentOf(fd: number): Uint8Array {
  const { size } = fstatSync(fd);
  const bytes = new Uint8Array(size);
  return bytes.subarray(0, readSync(fd, bytes, 0, size, 0));
}
