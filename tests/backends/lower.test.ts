import { assertEquals, assertStrictEquals, fail } from "@std/assert";
import { test } from "node:test";
import { lower, lowerPlan } from "../../backends/linux/lower.ts";
import { Command } from "../../core/command.ts";
import { layout } from "../../core/descriptors.ts";
import { freeze } from "../../core/draft.ts";
import { makePlan, type Plan } from "../../core/plan.ts";
import { imagined } from "../support/surroundings.ts";

const nofile = { soft: 1024n, hard: 4096n, note: "as it was" };
const around = imagined({ startingNofile: () => nofile });

function planOf(cmd: Command): Plan {
  return makePlan(freeze(cmd), around);
}

const COMMANDS: Record<string, () => Command> = {
  plain: () => new Command("/bin/true"),
  "with an argument": () => new Command("/bin/true", "a"),
  "with a umask": () => new Command("/bin/true").umask(0o77),
  "with a folder": () => new Command("/bin/true").cwd("/"),
  "with a limit": () => new Command("/bin/true").limit("core", 0),
  "with a limit on descriptors": () => new Command("/bin/true").limit("nofile", 64),
  "in a session": () => new Command("/bin/true").session(),
};

test("what one program after the other begins with is what it would be by itself", () => {
  const layouts = [9, 10].map((from) => layout([0, 1, 2].map((to) => ({ from, to }))));
  for (let turn = 0; turn < 3; turn++) {
    for (const [what, make] of Object.entries(COMMANDS)) {
      for (const { moves, free } of layouts) {
        const plan = planOf(make());
        const { calls, cells, head } = lowerPlan(plan, { moves, free });
        const alone = lower(plan.steps, { moves, free });
        assertEquals([calls, cells], [alone.calls, alone.cells], what);
        if (head !== undefined) assertEquals(calls.slice(0, -1), [...head.calls], what);
      }
    }
  }
});

test("commands that differ in what they execute share everything before it", () => {
  const { moves, free } = layout([0, 1, 2].map((to) => ({ from: 9, to })));
  const headOf = (what: keyof typeof COMMANDS) =>
    lowerPlan(planOf((COMMANDS[what] ?? fail(what))()), { moves, free }).head;
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
