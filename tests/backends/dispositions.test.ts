import { assert, assertEquals } from "@std/assert";
import { test } from "node:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { displayOf } from "../../backends/child_program/call.ts";
import { RESET_ALL, resetIgnored } from "../../backends/child_program/dispositions.ts";
import type { Host } from "../../backends/spawner/host.ts";
import type { Kernel } from "../../backends/native/kernel.ts";
import { reap } from "../../backends/native/reaper.ts";
import { testedCloner } from "../../backends/native/self_test.ts";
import { Starter } from "../../backends/native/starter.ts";
import { Command } from "../../core/command.ts";
import { specOf } from "../support/spec.ts";
import { makePlan } from "../../core/plan/plan.ts";
import { conform } from "../support/harness.ts";
import { noNativeParts, openKernel } from "../support/native.ts";
import { imagined } from "../support/system.ts";
import { parseStatus } from "../support/world.ts";

const skip = noNativeParts();
const NONE = "0000000000000000";

const EINVAL = -22;

function starterOn(kernel: Kernel): Starter {
  const host = {} as unknown as Host;
  return new Starter(kernel, host, testedCloner(kernel), undefined);
}

/** What /proc/self/status says in a child, whose parent has a handler for a signal. */
function statusIn(starter: Starter, folder: string): Record<string, string> {
  const file = join(folder, "status");
  const cmd = new Command("/bin/cat", "/proc/self/status").stdout({ file });
  const plan = makePlan(specOf(cmd), imagined());
  const childFds = starter.setupStdio(plan);
  const { pid, pidfd } = starter.startSync(plan, childFds, undefined);
  childFds.close();
  starter.kernel.close(pidfd);
  assertEquals(reap(starter.kernel, pid)?.raw, 0);
  return parseStatus(readFileSync(file, "utf8"));
}

for (const [what, without] of [["with", undefined], ["without", "clone3"]] as const) {
  conform(`${what} clone3(2), a program has neither handlers nor ignored signals`, async (t) => {
    const handler = () => {};
    process.on("SIGWINCH", handler);
    t.defer(() => process.off("SIGWINCH", handler));
    const kernel = await openKernel(without);
    const starter = starterOn(kernel);
    t.defer(() => starter.close());
    // Called without its struct, it is refused by another errno where there is no such call.
    assertEquals(starter.cloner.clearsHandlers, kernel.raw("clone3", 0, 0) === EINVAL);
    assertEquals(starter.resets === RESET_ALL, !starter.cloner.clearsHandlers);
    const { SigIgn, SigCgt, SigBlk } = statusIn(starter, t.folder());
    assertEquals([SigIgn, SigCgt, SigBlk], [NONE, NONE, NONE]);
  }, { skip });
}

test("without handlers, what may be ignored is reset: standard signals, and those that are", () => {
  const [all] = RESET_ALL;
  const [some] = resetIgnored([13, 40, 64]);
  assertEquals(all?.each?.length, 62);
  assertEquals(some?.each?.length, 31);
  assertEquals(some?.each?.slice(-3), [31, 40, 64]);
  assert(some !== undefined);
  assertEquals(displayOf(some)[0], "1…31, 40, 64");
  for (const calls of [all, some]) assert(!calls?.each?.some((signal) => [9, 19].includes(signal)));
});
