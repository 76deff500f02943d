import { assert, assertEquals } from "@std/assert";
import type { Call, Program } from "../../backends/child_program/call.ts";
import { Cloner } from "../../backends/native/clone.ts";
import { spawnError } from "../../backends/child_program/failure.ts";
import type { Kernel } from "../../backends/native/kernel.ts";
import { lower } from "../../backends/child_program/lower.ts";
import { keepArenas } from "../../backends/native/memory.ts";
import { reap } from "../../backends/native/reaper.ts";
import { Command } from "../../core/command.ts";
import { layout } from "../../core/plan/descriptors.ts";
import { specOf } from "../support/spec.ts";
import { makePlan } from "../../core/plan/plan.ts";
import { conform } from "../support/harness.ts";
import { noNativeParts, openKernel } from "../support/native.ts";
import { imagined } from "../support/system.ts";

const skip = noNativeParts();

/** A program with a call of nearly every step that takes no rights. */
function wholeProgram(): { program: Program; command: string } {
  const cmd = new Command("/bin/true", "a").umask(0o77).cwd("/").limit("core", 0).session()
    .env("A", "b");
  const plan = makePlan(specOf(cmd), imagined());
  const { moves } = layout([0, 1, 2].map((fd) => ({ from: fd, to: fd })));
  return { program: lower(plan.steps, { moves, free: () => [3, 4, 5] }), command: plan.command };
}

/** Runs a program in a child and reaps it: what its notes say, and its raw status. */
function runIt(kernel: Kernel, cloner: Cloner, program: Program): {
  failure: { call: Call; errno: number } | undefined;
  raw: number;
} {
  const cloned = cloner.clone(program, { memory: "shared", pidfd: false });
  const { encoded, notes } = cloned;
  const failure = notes === undefined ? undefined : encoded.failure(notes);
  const exit = reap(kernel, cloned.pid);
  assert(exit !== undefined);
  return { failure, raw: exit.raw };
}

/** A call in the place of another, which fails with a given errno. */
const FAILING: Record<string, { errno: number; replace(call: Call): Call }> = {
  EBADF: { errno: 9, replace: (call) => ({ ...once(call), name: "close", args: [-1] }) },
  ENOSYS: { errno: 38, replace: (call) => ({ ...once(call), name: 100_000, args: [] }) },
  EFAULT: { errno: 14, replace: (call) => ({ ...once(call), name: "chdir", args: [1] }) },
  "EBADF at the last of many": {
    errno: 9,
    replace: (call) => ({ ...once(call), name: "close", args: [-1], each: [0, 1, 2, -1] }),
  },
};

function once(call: Call): Call {
  const { each: _, ...others } = call;
  return others;
}

conform("the program as it is runs to its end and notes no failure", async () => {
  const kernel = await openKernel();
  const { failure, raw } = runIt(kernel, new Cloner(kernel), wholeProgram().program);
  assertEquals([failure, raw], [undefined, 0]);
}, { skip });

for (const [how, { errno, replace }] of Object.entries(FAILING)) {
  conform(
    `whichever operation fails with ${how}, that one is blamed, and no child is left`,
    async () => {
      const kernel = await openKernel();
      const cloner = new Cloner(kernel);
      const { program, command } = wholeProgram();
      const steps = new Set<string>();
      program.calls.forEach((original, index) => {
        const broken = replace(original);
        const { failure, raw } = runIt(kernel, cloner, {
          ...program,
          calls: program.calls.with(index, broken),
        });
        assertEquals(failure?.errno, errno, original.step);
        assert(failure?.call === broken, original.step);
        assertEquals(raw, 127 << 8);
        const files = { access: () => "ok", head: () => undefined };
        const error = spawnError(failure.call, failure.errno, command, files);
        assertEquals([error.step, error.errno], [original.step, errno]);
        assertEquals(error.exitCode, original.step === "exec" ? 126 : 125);
        steps.add(original.step);
      });
      assertEquals([...steps], [
        "signals",
        "umask",
        "fds",
        "session",
        "limits",
        "chdir",
        "unblock",
        "exec",
      ]);
      assertEquals(cloner.arenas, 0);
    },
    { skip },
  );
}

conform("a failure that a program expects does not end it", async () => {
  const kernel = await openKernel();
  const cloner = new Cloner(kernel);
  const { program } = wholeProgram();
  const [first] = program.calls;
  assert(first !== undefined);
  const tolerated: Call = {
    ...once(first),
    name: "close",
    args: [-1],
    jumps: { error: "go on" },
  };
  const { failure, raw } = runIt(kernel, cloner, {
    ...program,
    calls: [tolerated, { ...first, label: "go on" }, ...program.calls.slice(1)],
  });
  assertEquals([failure, raw], [undefined, 0]);
}, { skip });

conform("arenas are used again, and large ones are given back", async (t) => {
  keepArenas(4);
  t.defer(() => keepArenas(0));
  const kernel = await openKernel();
  const cloner = new Cloner(kernel);
  const { program } = wholeProgram();
  for (let i = 0; i < 20; i++) runIt(kernel, cloner, program);
  assertEquals(cloner.arenas, 1);
  const last = program.calls.at(-1);
  assert(last !== undefined);
  const long = { ...last, args: [{ text: "/bin/true" }, { texts: ["x".repeat(120_000)] }, 0] };
  for (let i = 0; i < 5; i++) {
    runIt(kernel, cloner, { ...program, calls: program.calls.with(-1, long) });
  }
  assertEquals(cloner.arenas, 1);
}, { skip });

conform("a filter that refuses the epilogue's own call hides no failure", async () => {
  const kernel = await openKernel("sched_get_priority_max");
  const { program } = wholeProgram();
  const index = program.calls.findIndex(({ step }) => step === "umask");
  const original = program.calls[index];
  assert(original !== undefined);
  const broken: Call = { ...once(original), name: "close", args: [-1] };
  const { failure, raw } = runIt(kernel, new Cloner(kernel), {
    ...program,
    calls: program.calls.with(index, broken),
  });
  assertEquals([failure?.call === broken, failure?.errno, raw], [true, 9, 127 << 8]);
}, { skip });

conform("a result that goes elsewhere is still the failure's", async () => {
  const kernel = await openKernel();
  const { program } = wholeProgram();
  const [first] = program.calls;
  assert(first !== undefined);
  for (const into of [{ cell: "elsewhere" }, { call: "later", argument: 0 }] as const) {
    const broken: Call = { ...once(first), name: "close", args: [-1], into };
    const calls = [broken, { ...once(first), label: "later" }, ...program.calls.slice(1)];
    const cells = [{ name: "elsewhere", size: 8 }];
    const { failure } = runIt(kernel, new Cloner(kernel), { calls, cells });
    assertEquals([failure?.call === broken, failure?.errno], [true, 9]);
  }
}, { skip });
