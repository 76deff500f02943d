import { assert, assertEquals } from "@std/assert";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { inOrder, ORDER, type StepName } from "../../core/plan/order.ts";

/**
 * What must come before what, and why. The order is a security property: these are what it is for,
 * and a copy of it would only prove that it can be copied.
 */
const BEFORE: [StepName, StepName, string][] = [
  ["signals", "umask", "no handler of the parent may run in the child"],
  ["signals", "fds", "a handler would write to the number that was its pipe"],
  ["signals", "unblock", "what is delivered meets default dispositions"],
  ["umask", "fds", "files are created with the umask that was asked for"],
  ["umask", "pidFile", "files are created with the umask that was asked for"],
  ["fds", "limits", "the layout may need numbers above a lowered nofile"],
  ["fds", "handshake", "the child holds no copy of the pipes that it waits on"],
  ["fds", "session", "a daemon's second clone inherits its descriptors as they are to be"],
  ["fds", "preExec", "a hook finds the descriptors of the program"],
  ["session", "pidFile", "the daemon itself holds the lock"],
  ["pidFile", "identity", "it is written with the rights of the parent"],
  ["limits", "identity", "a hard limit is raised while that is allowed"],
  ["limits", "preExec", "a hook runs with the limits of the program"],
  ["preExec", "oomScoreAdj", "a hook's runtime is no better victim than this one"],
  ["oomScoreAdj", "identity", "the score is lowered with the rights of the parent"],
  ["preExec", "cpuAffinity", "a hook's runtime has all processors"],
  ["cpuAffinity", "identity", "the processors are chosen with the rights of the parent"],
  ["preExec", "ioPriority", "a hook's runtime is not slowed down"],
  ["ioPriority", "identity", "a real-time class is asked for with the rights of the parent"],
  ["preExec", "nice", "a hook's runtime does not run niced"],
  ["nice", "scheduler", "a child of SCHED_IDLE gets on slowly"],
  ["nice", "identity", "a lower value is asked for with the rights of the parent"],
  ["scheduler", "identity", "a real-time policy is asked for with the rights of the parent"],
  ["preExec", "selinux", "the runtime of a hook is no exec that a label is for"],
  ["preExec", "apparmor", "the runtime of a hook is no exec that a label is for"],
  ["preExec", "coreSched", "a hook's runtime needs no core to itself"],
  ["preExec", "identity", "a hook runs before privileges are dropped"],
  ["selinux", "identity", "labels are asked for with the rights of the parent"],
  ["apparmor", "identity", "profiles are asked for with the rights of the parent"],
  ["coreSched", "identity", "the cookie needs the rights of the parent"],
  ["identity", "chdir", "a folder that the new user may not enter is refused"],
  ["identity", "capabilities", "what survives the change of user becomes what was asked for"],
  ["capabilities", "chdir", "so is one that only a capability would open"],
  ["identity", "noNewPrivs", "a change of ids is no gain that a security module might refuse"],
  ["noNewPrivs", "step", "a filter of system calls can be installed without privileges"],
  ["identity", "dieWithParent", "a change of ids undoes it"],
  ["capabilities", "dieWithParent", "a gain of capabilities undoes it"],
  ["step", "dieWithParent", "a further step may change ids"],
  ["dieWithParent", "unblock", "a parent that is gone is noticed before anything is delivered"],
  ["chdir", "step", "further steps find the process as it will be"],
  ["step", "unblock", "no signal ends the child halfway through its steps"],
  ["unblock", "handshake", "a signal can end the wait"],
  ["handshake", "exec", "exec is the last"],
];

for (const [first, second, why] of BEFORE) {
  test(`${first} comes before ${second}: ${why}`, () => {
    assert(ORDER.indexOf(first) >= 0);
    assert(ORDER.indexOf(first) < ORDER.indexOf(second));
  });
}

test("for every step it is said what it must come after, and what before", () => {
  for (const step of ORDER) {
    const [isFirst, isLast] = [step === ORDER[0], step === ORDER.at(-1)];
    assert(isFirst || BEFORE.some(([, second]) => second === step), `after what comes ${step}?`);
    assert(isLast || BEFORE.some(([first]) => first === step), `before what comes ${step}?`);
  }
});

test("for every step, core/plan/order.ts gives the reason for its place", () => {
  const source = readFileSync(new URL("../../core/plan/order.ts", import.meta.url), "utf8");
  const reasons = /\/\*\* *\n \* Every step[\s\S]*?\*\//.exec(source)?.[0] ?? "";
  const named = [...reasons.matchAll(/^ \* - ((?:`\w+`(?:, )?)+): \S/gm)].flatMap((
    [, names = ""],
  ) => [...names.matchAll(/\w+/g)].map(([name]) => name));
  assertEquals(named, [...ORDER]);
});

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
