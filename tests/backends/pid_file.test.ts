/**
 * What happens to a pid file between two calls of the child program: other calls are put there.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { existsSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { type Arg, type Call, call } from "../../backends/child_program/call.ts";
import { Cloner } from "../../backends/native/clone.ts";
import { encode, sizeOf } from "../../backends/child_program/encode.ts";
import { ARGUMENTS, CELLS, EPILOGUE, OPERATION } from "../../backends/child_program/encoded.ts";
import type { Kernel } from "../../backends/native/kernel.ts";
import { AT_FDCWD } from "../../core/tables/kernel.ts";
import { lower } from "../../backends/child_program/lower.ts";
import { DAEMON_PID } from "../../backends/child_program/lower_daemon.ts";
import { lowerPidFile } from "../../backends/child_program/lower_pid_file.ts";
import { EXAMINE, PIDFILE_CELLS, SET_LOCK } from "../../backends/child_program/pid_file_cells.ts";
import { discardUnfinished } from "../../backends/native/pid_file.ts";
import { hasCreated } from "../../backends/child_program/pid_file_problem.ts";
import { reap } from "../../backends/native/reaper.ts";
import { Command } from "../../core/command.ts";
import { layout } from "../../core/plan/descriptors.ts";
import { specOf } from "../support/spec.ts";
import { makePlan } from "../../core/plan/plan.ts";
import { conform } from "../support/harness.ts";
import { ARCHES, noNativeParts, openKernel } from "../support/native.ts";
import { imagined } from "../support/system.ts";

const skip = noNativeParts();

/** What came of a daemon whose program was changed. */
interface Outcome {
  readonly pid: number;
  readonly failed: Call | undefined;
  readonly errno: number | undefined;
  readonly created: boolean;
}

/** Starts a daemon with a pid file, and with another program than the one that it should have. */
function startChanged(
  kernel: Kernel,
  path: string,
  change: (calls: readonly Call[]) => readonly Call[],
): Outcome {
  const cmd = new Command("/bin/true").daemonize().pidFile(path);
  const plan = makePlan(specOf(cmd), imagined());
  const { moves, free } = layout([0, 1, 2].map((fd) => ({ from: fd, to: fd })));
  const { calls, cells } = lower(plan.steps, { moves, free });
  const cloned = new Cloner(kernel).clone({ calls: change(calls), cells }, {
    memory: "shared",
    pidfd: false,
  });
  const { encoded, notes } = cloned;
  assert(notes !== undefined);
  const failure = encoded.failure(notes);
  const pid = encoded.cell(notes, DAEMON_PID).getInt32(0, true);
  const created = hasCreated(encoded, notes);
  reap(kernel, cloned.pid);
  return { pid, failed: failure?.call, errno: failure?.errno, created };
}

/** Starts a daemon in whose program another call stands before those with these labels. */
async function startWith(
  path: string,
  labels: readonly string[],
  other: Call,
): Promise<Outcome> {
  return startChanged(await openKernel(), path, (calls) => {
    for (const label of labels) assert(calls.some((each) => each.label === label), label);
    return calls.flatMap((each) => {
      if (each.label === undefined || !labels.includes(each.label)) return [each];
      // Whatever goes to the call goes to the one before it.
      const { label, ...original } = each;
      return [{ ...other, label }, original];
    });
  });
}

const remove = (path: string) => call("pidFile", "unlinkat", [AT_FDCWD, { text: path }, 0]);

for (const label of [`${EXAMINE} 0`, `${SET_LOCK} 0`]) {
  conform(`a file that loses its name before ${label} is made again`, async (t) => {
    const path = join(t.folder(), "pid");
    const { pid, failed } = await startWith(path, [label], remove(path));
    assertEquals(failed, undefined);
    assertEquals(readFileSync(path, "utf8"), String(pid));
  }, { skip });
}

conform(
  "a file that loses its name again and again is an error, and nothing is left",
  async (t) => {
    const path = join(t.folder(), "pid");
    const labels = lowerPidFile(path, [3, 4, 5]).flatMap(({ label = "" }) =>
      label.startsWith(`${SET_LOCK} `) ? [label] : []
    );
    assert(labels.length > 1);
    const { failed } = await startWith(path, labels, remove(path));
    const hint = "the file was replaced again and again while it was being locked";
    assertEquals(failed?.hint, hint);
    assert(!existsSync(path));
  },
  { skip },
);

conform("the place where a file is examined is that of each architecture", () => {
  const places = {
    x86_64: { mode: 24, nlink: 16, uid: 28, noFollow: 0x2_0000 },
    aarch64: { mode: 16, nlink: 20, uid: 24, noFollow: 0x8000 },
  };
  const calls = lowerPidFile("/run/pid", [3, 4, 5]);
  const cells = PIDFILE_CELLS.map(({ name }) => ({ name, size: 144 }));
  for (const arch of ARCHES) {
    const { mode, nlink, uid, noFollow } = places[arch.name];
    assertEquals([arch.stat.mode, arch.stat.nlink, arch.stat.uid], [mode, nlink, uid]);
    const size = sizeOf({ calls, cells });
    const buffer = new ArrayBuffer(Math.ceil(size / 8) * 8);
    const room = {
      address: 0x10_0000,
      size,
      bytes: new Uint8Array(buffer),
      words: new Uint32Array(buffer),
    };
    encode({ calls, cells }, arch, room);
    const beginning = CELLS + cells.length * 144 + EPILOGUE * OPERATION;
    const argumentAt = (call: Call, index: number) => {
      const at = beginning + calls.indexOf(call) * OPERATION + ARGUMENTS + index * 8;
      return new DataView(buffer).getUint32(at, true);
    };
    const argumentOf = (given: (arg: Arg) => boolean, index: number) => {
      const found = calls.filter(({ args }) => given(args[index] ?? 0));
      return found.map((each) => argumentAt(each, index));
    };
    const [fstat] = calls.filter(({ name }) => name === "fstat");
    assert(fstat !== undefined);
    const opened = argumentAt(fstat, 1);
    for (const [field, at] of [["mode", mode], ["nlink", nlink], ["uid", uid]] as const) {
      const given = (arg: Arg) =>
        typeof arg === "object" && "offset" in arg && arg.offset === field;
      assertEquals(new Set(argumentOf(given, 0)), new Set([opened + at]), field);
    }
    const flags = argumentOf((arg) => typeof arg === "object" && "byArch" in arg, 2);
    assert(flags.length > 0 && flags.every((each) => (each & 0x2_8000) === noFollow));
  }
});

conform("a link that takes the file's place while it is locked is refused", async (t) => {
  const dir = t.folder();
  const [path, target] = [join(dir, "pid"), join(dir, "target")];
  writeFileSync(target, "important");
  symlinkSync(target, join(dir, "link"));
  const rename: Call = call("pidFile", 264, [
    AT_FDCWD,
    { text: join(dir, "link") },
    AT_FDCWD,
    { text: path },
  ]);
  const { failed, errno } = await startWith(path, [`${SET_LOCK} 0`], rename);
  assertEquals([failed?.name, errno], ["openat", 40]);
  assertEquals(readFileSync(target, "utf8"), "important");
}, { skip: skip ?? (process.arch === "x64" ? undefined : "renameat has another number here") });

conform("whichever call fails, no file is left that a daemon has made", async (t) => {
  const path = join(t.folder(), "pid");
  const kernel = await openKernel();
  const { length } = lowerPidFile(path, [3, 4, 5]);
  let failures = 0;
  for (let index = 0; index < length; index++) {
    let broken = "";
    const { pid, failed, created } = startChanged(kernel, path, (calls) => {
      const at = calls.findIndex(({ step }) => step === "pidFile") + index;
      const original = calls[at];
      assert(original?.step === "pidFile");
      broken = `${original.name} ${original.label}`;
      return calls.with(at, { ...original, name: "close", args: [-1] });
    });
    if (failed !== undefined) {
      failures++;
      assertEquals(failed.step, "pidFile", broken);
      if (created) discardUnfinished(kernel, path, pid);
      assert(!existsSync(path), broken);
    } else {
      assertEquals(readFileSync(path, "utf8"), String(pid), broken);
      rmSync(path);
    }
  }
  assert(failures > 20);
}, { skip });
