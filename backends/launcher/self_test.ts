/**
 * Whether a program file can be written and started here, and gets the descriptors that it is given:
 * /proc may be missing, all file systems may be read-only or mounted noexec, and a security module
 * may refuse what access(2) allows. All of that is found out by doing it once.
 *
 * @module
 */

import { statSync } from "node:fs";
import { UnsupportedError } from "../../core/errors.ts";
import { E } from "../../core/tables/kernel.ts";
import { SIGKILL } from "../../core/timing.ts";
import type { Arch } from "../child_program/arch.ts";
import { call } from "../child_program/call.ts";
import { elfOf } from "../child_program/elf.ts";
import { encodeForFile } from "../child_program/encode_file.ts";
import { isRefusedByRuntime } from "../posix/files.ts";
import { isShortage } from "../spawner/checks.ts";
import { type Spawner, StartError, type SyncSpawned } from "../spawner/spawner.ts";
import { retryOnTextBusySync } from "../spawner/text_busy.ts";
import {
  contentOf,
  findProgramFolder,
  type UnlinkedFile,
  writeUnlinkedData,
} from "../spawner/unlinked_file.ts";

/** The number of the report in the program. */
const REPORT = 3;

/** How long the program may take, in milliseconds. */
const LIMIT = 10_000;

/**
 * Starts a program file that reports its pid. Throws an UnsupportedError if that cannot be done
 * here; the folder where it could be done is the one for program files from here on.
 */
export function testLauncher(arch: Arch, spawner: Spawner): void {
  requireProc();
  const { bytes } = encodeForFile(arch, PROGRAM, undefined);
  const report = writeUnlinkedData(new Uint8Array(0));
  try {
    findProgramFolder(elfOf(arch, bytes), (file) => {
      const spawned = startedFrom(file, spawner, report);
      if (spawned !== undefined) requireReport(spawned, contentOf(report.fd));
    });
  } finally {
    report.close();
  }
}

/** Notes its pid, and ends. */
const PROGRAM = {
  calls: [
    { ...call("signals", "getpid"), into: { cell: "pid" } },
    call("signals", "pwrite64", [REPORT, { cell: "pid" }, 8, 0]),
    call("exec", "exit_group", [0]),
  ],
  cells: [{ name: "pid", size: 8 }],
};

/** Files without a name are reached by /proc, and so are the pipes of a child. */
function requireProc(): void {
  try {
    statSync("/proc/self/fd");
  } catch (cause) {
    // Of a runtime that lets nobody look, more is heard from what comes next.
    if (isRefusedByRuntime(cause)) return;
    throw new UnsupportedError({
      feature: "/proc",
      driver: "launcher",
      reason: cause instanceof Error ? cause.message : String(cause),
      remedy: "mount /proc",
      cause,
    });
  }
}

/** What came of the program; undefined if nothing is to be learnt from that it was not started. */
function startedFrom(
  file: UnlinkedFile,
  spawner: Spawner,
  report: UnlinkedFile,
): SyncSpawned | undefined {
  const request = {
    path: file.path,
    argv: ["vircommand"],
    env: {},
    stdio: ["null", "null", "null", report.fd] as const,
    input: undefined,
    timeout: LIMIT,
    killSignal: SIGKILL,
    maxBuffer: Infinity,
  };
  try {
    return retryOnTextBusySync(() => spawner.spawnSync(request), isTextBusy);
  } catch (error) {
    // The system is short of something for a moment: that is not about the driver.
    const passes = error instanceof StartError && isShortage(error);
    // What the runtime does not permit at all is refused at the start, by its own error.
    if (passes || isRefusedByRuntime(error)) return undefined;
    throw error;
  }
}

function isTextBusy(error: unknown): boolean {
  return error instanceof StartError && error.errno === E.ETXTBSY;
}

function requireReport({ pid, exit }: SyncSpawned, reported: Uint8Array): void {
  const noted = reported.length === 8
    ? new DataView(reported.buffer, reported.byteOffset).getInt32(0, true)
    : undefined;
  if (exit.raw === 0 && noted === pid) return;
  throw new Error(`a program file ended with ${exit.raw} and noted ${noted} as its pid ${pid}`);
}
