import { assert, assertEquals } from "@std/assert";
import { readFileSync } from "node:fs";
import process from "node:process";
import { call, type Program } from "../../backends/child_program/call.ts";
import { Cloner } from "../../backends/native/clone.ts";
import { reap } from "../../backends/native/reaper.ts";
import { conform, pause } from "../support/harness.ts";
import { noNativeParts, openKernel } from "../support/native.ts";

const skip = noNativeParts();

/** Runtimes have uses of their own for SIGUSR1 and SIGUSR2. */
const SIGHUP = 1;

/** A child that sends itself a signal before its dispositions were reset, and ends with 7. */
const SENDS_ITSELF: Program = {
  calls: [
    { ...call("signals", "getpid"), into: { call: "send", argument: 0 } },
    { ...call("signals", "kill", [0, SIGHUP]), label: "send" },
    call("signals", "exit_group", [7]),
  ],
  cells: [],
};

const blockedHere = () =>
  /^SigBlk:\s*(\w+)/m.exec(readFileSync("/proc/thread-self/status", "utf8"))?.[1];

for (const clone of ["clone3", "clone"]) {
  conform(
    `${clone}: a child is born with all signals blocked, and never runs a handler of its parent`,
    async ({ defer }) => {
      let handled = 0;
      const handler = () => void handled++;
      process.on("SIGHUP", handler);
      defer(() => process.off("SIGHUP", handler));
      const kernel = await openKernel();
      const cloner = new Cloner(kernel);
      if (clone === "clone") cloner.doWithoutClone3();
      const before = blockedHere();
      for (let i = 0; i < 20; i++) {
        const { pid } = cloner.clone(SENDS_ITSELF, { memory: "shared", pidfd: false });
        const exit = reap(kernel, pid);
        // Not blocked, it would have ended by the signal, or run the handler in our memory.
        assertEquals(exit?.raw, 7 << 8);
      }
      assertEquals(blockedHere(), before, "the parent's mask is as it was");
      // The runtime delivers a signal that was caught in a later turn.
      await pause(20);
      assertEquals(handled, 0);
      process.kill(process.pid, "SIGHUP");
      while (handled === 0) await pause(1);
      assert(handled === 1);
    },
    { skip },
  );
}
