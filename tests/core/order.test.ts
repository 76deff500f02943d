import { assert, assertEquals } from "@std/assert";
import { test } from "node:test";
import { inOrder, ORDER, type StepName } from "../../core/order.ts";

/** The order is a security property: whoever changes it must come by here. */
const EXPECTED = [
  "signals",
  "umask",
  "fds",
  "session",
  "pidFile",
  "limits",
  "preExec",
  "selinux",
  "apparmor",
  "coreSched",
  "identity",
  "capabilities",
  "chdir",
  "step",
  "unblock",
  "handshake",
  "exec",
];

/** What must come before what, and why. */
const BEFORE: [StepName, StepName, string][] = [
  ["signals", "umask", "no handler of the parent may run in the child"],
  ["signals", "unblock", "what is delivered meets default dispositions"],
  ["umask", "pidFile", "files are created with the umask that was asked for"],
  ["fds", "limits", "the layout may need numbers above a lowered nofile"],
  ["fds", "handshake", "the child holds no copy of the pipes that it waits on"],
  ["session", "pidFile", "the daemon itself holds the lock"],
  ["pidFile", "identity", "it is written with the rights of the parent"],
  ["limits", "identity", "a hard limit is raised while that is allowed"],
  ["preExec", "identity", "a hook runs before privileges are dropped"],
  ["selinux", "identity", "labels are asked for with the rights of the parent"],
  ["coreSched", "identity", "the cookie needs the rights of the parent"],
  ["identity", "chdir", "a folder that the new user may not enter is refused"],
  ["capabilities", "chdir", "so is one that only a capability would open"],
  ["chdir", "step", "further steps find the process as it will be"],
  ["unblock", "handshake", "a signal can end the wait"],
  ["handshake", "exec", "exec is the last"],
];

test("the order of steps is the documented one", () => {
  assertEquals([...ORDER] as string[], EXPECTED);
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
