/**
 * Whether a child program can be run here at all: a sandbox may refuse executable memory or the
 * clone, and an emulator may turn it into something else.
 *
 * @module
 */

import { UnsupportedError } from "../../core/errors.ts";
import { call } from "./call.ts";
import type { Cloner } from "./clone.ts";
import type { Kernel } from "./kernel.ts";
import { reap } from "./reaper.ts";

const PID = "pid";

/** Runs a child program that notes its pid and ends; throws an UnsupportedError if it does not. */
export function selfTest(kernel: Kernel, cloner: Cloner): void {
  const program = {
    calls: [
      { ...call("signals", "getpid", [], []), into: { cell: PID } },
      call("exec", "exit_group", [0], ["0"]),
    ],
    cells: [{ name: PID, size: 8 }],
  };
  const { pid, program: ran, release } = cloner.clone(program, {
    suspend: true,
    ownMemory: false,
    pidfd: false,
  });
  const noted = ran.cell(ran.notes(), PID).getInt32(0, true);
  release();
  const exit = reap(kernel, pid);
  if (noted === pid && exit?.raw === 0) return;
  throw new UnsupportedError({
    feature: "FFI",
    driver: "native",
    reason: `a child program ended with ${exit?.raw} and noted ${noted} as its pid ${pid}`,
    remedy: "run on a kernel of its own, not under emulation",
  });
}
