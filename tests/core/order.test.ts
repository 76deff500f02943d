import { assert, assertEquals } from "@std/assert";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { inOrder, ORDER, type StepName } from "../../core/order.ts";

/**
 * What must come before what, and why. The order is a security property: whoever changes it must
 * come by here.
 */
const BEFORE: [StepName, StepName, string][] = [
  ["signals", "unblock", "what is delivered meets default dispositions"],
  ["umask", "fds", "files are created with the umask that was asked for"],
  ["umask", "pidFile", "so is the pid file"],
  ["fds", "limits", "the layout may need numbers above a lowered nofile"],
  ["fds", "handshake", "the child holds no copy of the pipes that it waits on"],
  ["session", "pidFile", "the daemon itself holds the lock"],
  ["pidFile", "identity", "it is written with the rights of the parent"],
  ["limits", "identity", "a hard limit is raised while that is allowed"],
  ["fds", "preExec", "a hook finds the descriptors of the program"],
  ["limits", "preExec", "a hook finds the limits of the program"],
  ["preExec", "identity", "a hook runs before privileges are dropped"],
  ["selinux", "identity", "labels are asked for with the rights of the parent"],
  ["core", "identity", "the cookie needs the rights of the parent"],
  ["identity", "chdir", "a folder that the new user may not enter is refused"],
  ["apparmor", "identity", "so are the labels of the other module"],
  ["identity", "capabilities", "those are kept that survive the change of user"],
  ["capabilities", "chdir", "so is one that only a capability would open"],
  ["identity", "step", "a program's own calls have the rights that it will have"],
  ["chdir", "step", "further steps find the process as it will be"],
  ["step", "unblock", "no signal ends a child halfway"],
  ["unblock", "handshake", "a signal can end the wait"],
];

test("signals are dealt with first: no handler of the parent may run in the child", () => {
  assertEquals(ORDER.indexOf("signals"), 0);
});

test("exec is the last, and with everything else done the child waits for it", () => {
  assertEquals(ORDER.slice(-2), ["handshake", "exec"]);
});

test("each step has a reason for its place in the documentation of the order", () => {
  const source = readFileSync(new URL("../../core/order.ts", import.meta.url), "utf8");
  const [, reasons = ""] =
    /\/\*\*\n \* Every step([\s\S]*?)\*\/\nexport const ORDER/.exec(source) ?? [];
  for (const step of ORDER) assert(reasons.includes(`\`${step}\``), step);
});

test("each step stands between others for a reason that is tested", () => {
  const named = new Set<string>(["exec", ...BEFORE.flatMap(([first, second]) => [first, second])]);
  for (const step of ORDER) assert(named.has(step), step);
});

for (const [first, second, why] of BEFORE) {
  test(`${first} comes before ${second}: ${why}`, () => {
    assert(ORDER.indexOf(first) >= 0);
    assert(ORDER.indexOf(first) < ORDER.indexOf(second));
  });
}

test("no step stands in the order twice", () => {
  assertEquals(new Set(ORDER).size, ORDER.length);
});

test("steps are sorted into the order, whatever order they come in", () => {
  const shuffled = [...ORDER].reverse().map((step) => ({ step }));
  assertEquals(inOrder(shuffled).map((each) => each.step), [...ORDER]);
  const odd = ORDER.filter((_, i) => i % 3 === 1).toReversed().map((step) => ({ step }));
  assertEquals(inOrder(odd).map((each) => each.step), ORDER.filter((_, i) => i % 3 === 1));
});

test("steps of one kind keep their order", () => {
  const steps = [3, 1, 2].map((n) => ({ step: "limits" as const, n }));
  const sorted = inOrder<{ step: StepName; n: number }>([{ step: "exec", n: 0 }, ...steps]);
  assertEquals(sorted.map((each) => each.n), [3, 1, 2, 0]);
});

test("sorting leaves the list that it was given alone", () => {
  const steps = [{ step: "exec" as const }, { step: "umask" as const }];
  inOrder<{ step: StepName }>(steps);
  assertEquals(steps.map((each) => each.step), ["exec", "umask"]);
});
