import { assertEquals, assertStrictEquals, fail } from "@std/assert";
import { test } from "node:test";
import { x86_64 } from "../../backends/child_program/arch/x86_64.ts";
import { displayOf, operationsOf, type Program } from "../../backends/child_program/call.ts";
import { encode } from "../../backends/child_program/encode.ts";
import { CELLS, EPILOGUE, OPERATION, type Room } from "../../backends/child_program/encoded.ts";
import { RESET_ALL } from "../../backends/child_program/dispositions.ts";
import { lower } from "../../backends/child_program/lower.ts";
import { lowerExec } from "../../backends/child_program/lower_exec.ts";
import { PlanLowering } from "../../backends/child_program/lower_plan.ts";
import type { ExecStep } from "../../core/plan/steps.ts";
import { Command } from "../../core/command.ts";
import { layout } from "../../core/plan/descriptors.ts";
import { specOf } from "../support/spec.ts";
import { makePlan, type Plan } from "../../core/plan/plan.ts";
import { prctl } from "../../core/command/syscalls.ts";
import { imagined } from "../support/system.ts";

const nofile = { soft: 1024n, hard: 4096n, note: "as it was" };
const system = imagined({ startingNofile: () => nofile });

function planOf(cmd: Command): Plan {
  return makePlan(specOf(cmd), system);
}

/** The arena of one program after the other. */
const arena = emptyArena();

/** A program's operations as they are laid out, and how far it reaches. */
function laidOut(program: Program): { operations: Uint8Array; length: number } {
  const room = program.prefix === undefined ? emptyArena() : arena;
  const { length } = encode(program, x86_64, room);
  const count = program.calls.reduce((sum, call) => sum + operationsOf(call), EPILOGUE);
  return { operations: room.bytes.slice(0, CELLS + count * OPERATION), length };
}

function emptyArena(): Room {
  const buffer = new ArrayBuffer(64 * 1024);
  const [bytes, words] = [new Uint8Array(buffer), new Uint32Array(buffer)];
  return { address: 0x7f12_3456_8000, size: buffer.byteLength, bytes, words };
}

const COMMANDS: Record<string, () => Command> = {
  plain: () => new Command("/bin/true"),
  "with an argument": () => new Command("/bin/true", "a"),
  "with a umask": () => new Command("/bin/true").umask(0o77),
  "with a folder": () => new Command("/bin/true").cwd("/"),
  "with a limit": () => new Command("/bin/true").limit("core", 0),
  "with a limit on descriptors": () => new Command("/bin/true").limit("nofile", 64),
  "in a session": () => new Command("/bin/true").session(),
  "with a label of SELinux": () => new Command("/bin/true").selinuxLabel("a:b:c:d"),
  "with a profile of AppArmor": () => new Command("/bin/true").apparmorProfile("profile"),
  "with a core of its own": () => new Command("/bin/true").runAlone(),
  "with a further step": () => new Command("/bin/true").step(prctl("PR_SET_NO_NEW_PRIVS", 1)),
  "with an environment": () => new Command("/bin/true").env("A", "b"),
};

test("what one program after the other begins with is what it would be by itself", () => {
  const layouts = [9, 10].map((from) => layout([0, 1, 2].map((to) => ({ from, to }))));
  const lowering = new PlanLowering(RESET_ALL);
  for (let turn = 0; turn < 3; turn++) {
    for (const [what, make] of Object.entries(COMMANDS)) {
      for (const { moves, free } of layouts) {
        const plan = planOf(make());
        const { calls, cells, prefix } = lowering.lower(plan, { moves, free });
        const alone = lower(plan.steps, { moves, free });
        assertEquals(
          [calls.map(displayOf), cells],
          [alone.calls.map(displayOf), alone.cells],
          what,
        );
        if (prefix !== undefined) assertEquals(calls.slice(0, -1), [...prefix.calls], what);
        assertEquals(laidOut({ calls, cells, prefix }), laidOut(alone), what);
      }
    }
  }
});

test("commands that differ in what they execute share everything before it", () => {
  const { moves, free } = layout([0, 1, 2].map((to) => ({ from: 9, to })));
  const lowering = new PlanLowering(RESET_ALL);
  const headOf = (what: keyof typeof COMMANDS) =>
    lowering.lower(planOf((COMMANDS[what] ?? fail(what))()), { moves, free }).prefix;
  const plain = headOf("plain");
  assertEquals(plain?.calls.map(({ step }) => step), [
    "signals",
    "fds",
    "fds",
    "fds",
    "fds",
    "limits",
    "unblock",
  ]);
  assertStrictEquals(headOf("with an argument"), plain);
  assertStrictEquals(headOf("with a folder"), headOf("with a folder"));
  assertEquals(headOf("with a folder")?.calls.length, 8);
  // Lists are not compared: what a command sets of limits is its own.
  assertEquals(headOf("with a limit"), undefined);
});

test("an environment that a child inherits by its address is not read from the runtime", () => {
  const exec: ExecStep = {
    step: "exec",
    path: "/bin/true",
    argv: ["true"],
    displayArgv: ["true"],
    inherits: true,
    get env(): string[] {
      throw new Error("the environment was read");
    },
    get displayEnv(): string[] {
      throw new Error("the environment was read");
    },
  };
  for (const environ of [0x1000, "own"] as const) {
    const [call] = lowerExec(exec, { moves: [], free: () => [], environ });
    assertEquals(call?.args.length, 3);
    assertEquals(call && displayOf(call)[2], "/* all variables of the parent */");
  }
});
