/**
 * Whether a program file can be written and started here, and gets the descriptors that it is given:
 * /proc may be missing, all file systems may be read-only or mounted noexec, and a security module
 * may refuse what access(2) allows. All of that is found out by doing it once, and with it which of
 * the newer system calls the kernel has.
 *
 * @module
 */

import { statSync } from "node:fs";
import { UnsupportedError } from "../../core/errors.ts";
import { CLONE, E, P, SIGCHLD, W } from "../../core/tables/kernel.ts";
import { SIGKILL } from "../../core/timing.ts";
import type { Arch } from "../child_program/arch.ts";
import { type Call, call, NULL } from "../child_program/call.ts";
import { elfOf } from "../child_program/elf.ts";
import { encodeForFile } from "../child_program/encode_file.ts";
import { isRefusedByRuntime } from "../posix/files.ts";
import { isShortage } from "../spawner/checks.ts";
import { type Spawner, StartError, type SyncSpawned } from "../spawner/spawner.ts";
import { retryOnTextBusySync } from "../spawner/text_busy.ts";
import type { KernelSupport } from "./kernel_support.ts";
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
 * Starts a program file that reports what the kernel supports. Throws an UnsupportedError if that
 * cannot be done here; the folder where it could be done is the one for program files from here on.
 */
export function testLauncher(arch: Arch, spawner: Spawner): KernelSupport {
  requireProc();
  const { bytes } = encodeForFile(arch, PROGRAM, undefined);
  const report = writeUnlinkedData(new Uint8Array(0));
  // A program that was not started, because something is lacking that will be there again, tells
  // nothing about the kernel: most have everything.
  let support: KernelSupport = { closeRange: true, pidfds: true };
  try {
    findProgramFolder(elfOf(arch, bytes), (file) => {
      const spawned = startedFrom(file, spawner, report);
      if (spawned === undefined) return;
      const results = resultsIn(contentOf(report.fd));
      support = supportShownBy(requireResults(spawned, results));
    });
  } finally {
    report.close();
  }
  return support;
}

/** What the program reports: its pid, and the results of calls that not every kernel has. */
const RESULTS = ["pid", "close_range", "signal", "wait", "child", "pidfd"] as const;

type Results = Readonly<Record<typeof RESULTS[number], number>>;

/** A descriptor that is not open. */
const NOT_OPEN = 0x7fff_ffff;

/** Makes the calls, with arguments that change nothing, and reports their results. */
const PROGRAM = {
  calls: [
    { ...call("signals", "getpid"), into: { cell: "pid" } },
    trial("close_range", call("fds", "close_range", [NOT_OPEN, NOT_OPEN, 0])),
    trial("signal", call("signals", "pidfd_send_signal", [NOT_OPEN, 0, 0, 0])),
    trial("wait", call("signals", "waitid", [P.PIDFD, NOT_OPEN, 0, W.EXITED, 0])),
    {
      ...trial(
        "child",
        call("clone", "clone", [CLONE.PIDFD | SIGCHLD, 0, { cell: "pidfd" }, 0, 0]),
      ),
      jumps: { zero: "end" },
    },
    // Otherwise it would be left to this process, if that is process 1.
    {
      ...call("clone", "waitid", [P.ALL, 0, NULL, W.EXITED, NULL]),
      ignoresErrors: true,
    },
    call("signals", "pwrite64", [REPORT, { cell: "pid" }, 8 * RESULTS.length, 0]),
    { ...call("exec", "exit_group", [0]), label: "end" },
  ],
  cells: RESULTS.map((name) => ({ name, size: 8 })),
};

/** A call whose result is reported, also if it fails. */
function trial(result: typeof RESULTS[number], made: Call): Call {
  return { ...made, into: { cell: result }, ignoresErrors: true };
}

/** The results, if the program has reported them. */
function resultsIn(report: Uint8Array): Results | undefined {
  if (report.length !== 8 * RESULTS.length) return undefined;
  const view = new DataView(report.buffer, report.byteOffset);
  const entries = RESULTS.map((name, i) => [name, view.getInt32(8 * i, true)]);
  return Object.fromEntries(entries) as Results;
}

/**
 * What the results show. A kernel without them, a sandbox and an emulator fail with different errors;
 * the right one is about the descriptor. Kernels ignore flags of clone(2) that they do not know.
 */
function supportShownBy({ close_range, signal, wait, child, pidfd }: Results): KernelSupport {
  const takesPidfds = signal === -E.EBADF && wait === -E.EBADF;
  return { closeRange: close_range === 0, pidfds: takesPidfds && child > 0 && pidfd > 0 };
}

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

function requireResults({ pid, exit }: SyncSpawned, results: Results | undefined): Results {
  if (exit.raw === 0 && results?.pid === pid) return results;
  const reported = results === undefined ? "nothing" : `${results.pid} as its pid ${pid}`;
  throw new Error(`a program file ended with status ${exit.raw} and reported ${reported}`);
}
