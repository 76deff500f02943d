/**
 * Whether a child program can be run here at all: a sandbox may refuse executable memory or the
 * clone, and an emulator may turn it into something else.
 *
 * @module
 */

import { UnsupportedError } from "../../core/errors.ts";
import { call } from "../child_program/call.ts";
import { Cloner } from "./clone.ts";
import type { Kernel } from "./kernel.ts";
import { reap } from "./reaper.ts";

const PID = "pid";

/** A cloner that works here: with clone3(2), else with clone(2). Throws if neither does. */
export function testedCloner(kernel: Kernel): Cloner {
  const cloner = new Cloner(kernel);
  try {
    selfTest(kernel, cloner);
  } catch {
    // If this fails as well, its error is the one to report.
    cloner.doWithoutClone3();
    selfTest(kernel, cloner);
  }
  return cloner;
}

/** Runs a child program that notes its pid and ends; throws an UnsupportedError if it does not. */
function selfTest(kernel: Kernel, cloner: Cloner): void {
  const program = {
    calls: [
      { ...call("signals", "getpid"), into: { cell: PID } },
      call("exec", "exit_group", [0]),
    ],
    cells: [{ name: PID, size: 8 }],
  };
  const { pid, encoded, notes } = cloner.clone(program, { memory: "shared", pidfd: false });
  const reported = notes === undefined ? undefined : encoded.cell(notes, PID).getInt32(0, true);
  const exit = reap(kernel, pid);
  if (reported === pid && exit?.raw === 0) return;
  throw new UnsupportedError({
    feature: "FFI",
    driver: "native",
    reason: `a child program ended with ${exit?.raw} and reported ${reported} as its pid ${pid}`,
    remedy: "run on a kernel of its own, not under emulation",
  });
}
