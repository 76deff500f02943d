import { assert, assertEquals, assertNotStrictEquals, assertStrictEquals } from "@std/assert";
import { test } from "node:test";
import { Command } from "../../core/command.ts";
import { specOf } from "../support/spec.ts";
import { type ChildSetup, childSetup, type Streams } from "../../core/plan/child_setup.ts";
import { ORDER } from "../../core/plan/order.ts";
import { imagined } from "../support/system.ts";

const system = imagined();

function setupOf(cmd: Command, streams: Partial<Streams> = {}): ChildSetup {
  return childSetup(specOf(cmd), system, streams);
}

const tool = () => new Command("tool");

const ALIKE: Record<string, () => Command> = {
  "nothing more": tool,
  "an argument": () => tool().arg("a"),
  "another binary": () => new Command("/opt/tool"),
  "another name": () => tool().arg0("name"),
  "an environment": () => tool().env("A", "b").envPassCommon(),
};

for (const [what, make] of Object.entries(ALIKE)) {
  test(`a command with ${what} has the setup of all plain ones`, () => {
    assertStrictEquals(setupOf(make()), setupOf(tool()));
    assert(setupOf(make()).cached);
  });
}

/** What makes another setup, and the step that shows it. */
const OTHERS: Record<string, (cmd: Command) => Command> = {
  umask: (cmd) => cmd.umask(0o77),
  "another umask": (cmd) => cmd.umask(0o7),
  chdir: (cmd) => cmd.cwd("/"),
  nice: (cmd) => cmd.nice(1),
  dieWithParent: (cmd) => cmd.dieWithParent("SIGTERM"),
  handshake: (cmd) => cmd.handshake(),
  apparmor: (cmd) => cmd.apparmorProfile("profile"),
};

test("attributes make another setup, which is cached as well", () => {
  const made = Object.values(OTHERS).map((change) => setupOf(change(tool())));
  assertEquals(new Set([setupOf(tool()), ...made]).size, made.length + 1);
  Object.values(OTHERS).forEach((change, i) => {
    assertStrictEquals(setupOf(change(tool())), made[i]);
  });
});

test("what is asked for is in the setup, although others were cached before", () => {
  assertEquals(setupOf(tool().umask(0o77)).find("umask"), { step: "umask", mask: 0o77 });
  assertEquals(setupOf(tool().umask(0o7)).find("umask"), { step: "umask", mask: 0o7 });
  assertEquals(setupOf(tool()).find("umask"), undefined);
  assertEquals(setupOf(tool().cwd("/a")).find("chdir"), { step: "chdir", path: "/a" });
  assertEquals(setupOf(tool().cwd("/b")).find("chdir"), { step: "chdir", path: "/b" });
});

test("other streams make another setup", () => {
  const sourcesOf = (setup: ChildSetup) =>
    setup.find("fds")?.childFds.map(({ source }) => source.from);
  const piped = { stdout: { kind: "capture" }, stderr: { kind: "stdout" } } as const;
  assertEquals(sourcesOf(setupOf(tool())), ["null", "null", "null"]);
  assertEquals(sourcesOf(setupOf(tool(), piped)), ["null", "pipe", "same"]);
  assertEquals(sourcesOf(setupOf(tool().stdin("inherit"), piped)), ["fd", "pipe", "same"]);
  assertStrictEquals(setupOf(tool().stdin("text")), setupOf(tool().stdin("other text")));
});

const NOT_CACHED: Record<string, (cmd: Command) => Command> = {
  "a user": (cmd) => cmd.uid(1).gid(1),
  "capabilities": (cmd) => cmd.clearCaps(),
  "a pid file": (cmd) => cmd.daemonize().pidFile("pid"),
  "a policy": (cmd) => cmd.scheduler("SCHED_IDLE"),
  "an I/O priority": (cmd) => cmd.ioPriority("idle"),
  "an affinity": (cmd) => cmd.cpuAffinity([0]),
  "a limit": (cmd) => cmd.limit("core", 0),
  "a descriptor": (cmd) => cmd.passFd(7),
  "a file": (cmd) => cmd.stdin({ file: "/dev/zero" }),
  "a descriptor as input": (cmd) => cmd.stdin(7),
};

for (const [what, change] of Object.entries(NOT_CACHED)) {
  test(`${what} is not cached`, () => {
    const [one, other] = [setupOf(change(tool())), setupOf(change(tool()))];
    assertNotStrictEquals(one, other);
    assertEquals(one.steps, other.steps);
    assert(!one.cached);
  });
}

test("a field that no list names makes the setup uncached", () => {
  const plain = specOf(tool());
  const withField = (fields: object) =>
    childSetup(Object.assign(Object.create(plain), fields), system, {});
  assert(withField({ args: ["a"], umask: 7, nice: 3 }).cached);
  for (const value of [true, 1, "text", undefined, [1]]) {
    assert(!withField({ fieldOfTomorrow: value }).cached, String(value));
    assert(!withField({ args: ["a"], umask: 7, fieldOfTomorrow: value }).cached, String(value));
  }
});

test("another system makes another setup", () => {
  const nofile = { soft: 1n, hard: 2n, note: "as it was" };
  const limited = childSetup(specOf(tool()), imagined({ startingNofile: () => nofile }), {});
  assertEquals(limited.find("limits")?.soft, 1n);
  assertEquals(setupOf(tool()).find("limits"), undefined);
});

test("whatever was cached before, a setup is what it would be alone", () => {
  const changes: ((cmd: Command) => Command)[] = [
    (cmd) => cmd.umask(0o77),
    (cmd) => cmd.cwd("/a"),
    (cmd) => cmd.limit("core", 0),
    (cmd) => cmd.session(),
    (cmd) => cmd.passFd(5),
    (cmd) => cmd.env("A", "b"),
    (cmd) => cmd.stdin("x"),
    (cmd) => cmd.stderr("inherit"),
    (cmd) => cmd.uid(1).gid(2).groups([3]),
  ];
  for (let turn = 0; turn < 2; turn++) {
    for (let set = 0; set < 1 << changes.length; set++) {
      const cmd = changes.reduce((made, change, i) => set >> i & 1 ? change(made) : made, tool());
      const alone = childSetup(specOf(cmd), imagined(), {});
      assertEquals(setupOf(cmd).steps, alone.steps);
    }
  }
});

test("the number of cached setups is limited", () => {
  const first = setupOf(tool().umask(0));
  for (let mask = 1; mask <= 8; mask++) setupOf(tool().umask(mask));
  const again = setupOf(tool().umask(0));
  assertNotStrictEquals(again, first);
  assertEquals(again.steps, first.steps);
});

test("a setup is in the order of the design, and finds the first step of a kind", () => {
  const { steps } = setupOf(tool().handshake().limit("core", 1).limit("cpu", 2).umask(0));
  const places = steps.map(({ step }) => ORDER.indexOf(step));
  assertEquals(places, places.toSorted((a, b) => a - b));
  assertEquals(setupOf(tool().limit("core", 1).limit("cpu", 2)).find("limits")?.name, "core");
});
