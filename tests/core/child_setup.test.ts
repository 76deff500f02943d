import { assert, assertEquals, assertNotStrictEquals, assertStrictEquals } from "@std/assert";
import { test } from "node:test";
import { Command } from "../../core/command.ts";
import { specOf } from "../support/spec.ts";
import { type ChildSetup, childSetup, type Streams } from "../../core/plan/child_setup.ts";
import { ORDER } from "../../core/plan/order.ts";
import { imagined } from "../support/system.ts";

const system = imagined();

function framed(cmd: Command, streams: Partial<Streams> = {}): ChildSetup {
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
  test(`a command with ${what} has the frame of all plain ones`, () => {
    assertStrictEquals(framed(make()), framed(tool()));
    assert(framed(make()).cached);
  });
}

/** What makes a frame another one, and the step that shows it. */
const OTHERS: Record<string, (cmd: Command) => Command> = {
  umask: (cmd) => cmd.umask(0o77),
  "another umask": (cmd) => cmd.umask(0o7),
  chdir: (cmd) => cmd.cwd("/"),
  nice: (cmd) => cmd.nice(1),
  dieWithParent: (cmd) => cmd.dieWithParent("SIGTERM"),
  handshake: (cmd) => cmd.handshake(),
  apparmor: (cmd) => cmd.apparmorProfile("profile"),
};

test("attributes make another frame, which is kept as well", () => {
  const made = Object.values(OTHERS).map((change) => framed(change(tool())));
  assertEquals(new Set([framed(tool()), ...made]).size, made.length + 1);
  Object.values(OTHERS).forEach((change, i) => {
    assertStrictEquals(framed(change(tool())), made[i]);
  });
});

test("what is asked for is in the frame, although others were kept before", () => {
  assertEquals(framed(tool().umask(0o77)).find("umask"), { step: "umask", mask: 0o77 });
  assertEquals(framed(tool().umask(0o7)).find("umask"), { step: "umask", mask: 0o7 });
  assertEquals(framed(tool()).find("umask"), undefined);
  assertEquals(framed(tool().cwd("/a")).find("chdir"), { step: "chdir", path: "/a" });
  assertEquals(framed(tool().cwd("/b")).find("chdir"), { step: "chdir", path: "/b" });
});

test("other streams make another frame", () => {
  const wiresOf = (setup: ChildSetup) =>
    setup.find("fds")?.childFds.map(({ source }) => source.from);
  const piped = { stdout: { kind: "capture" }, stderr: { kind: "stdout" } } as const;
  assertEquals(wiresOf(framed(tool())), ["null", "null", "null"]);
  assertEquals(wiresOf(framed(tool(), piped)), ["null", "pipe", "same"]);
  assertEquals(wiresOf(framed(tool().stdin("inherit"), piped)), ["fd", "pipe", "same"]);
  assertStrictEquals(framed(tool().stdin("text")), framed(tool().stdin("other text")));
});

const LOOKED_UP: Record<string, (cmd: Command) => Command> = {
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

for (const [what, change] of Object.entries(LOOKED_UP)) {
  test(`${what} is looked at anew for each plan`, () => {
    const [one, other] = [framed(change(tool())), framed(change(tool()))];
    assertNotStrictEquals(one, other);
    assertEquals(one.steps, other.steps);
    assert(!one.cached);
  });
}

test("other surroundings make another frame", () => {
  const nofile = { soft: 1n, hard: 2n, note: "as it was" };
  const limited = childSetup(specOf(tool()), imagined({ startingNofile: () => nofile }), {});
  assertEquals(limited.find("limits")?.soft, 1n);
  assertEquals(framed(tool()).find("limits"), undefined);
});

test("whatever was kept before, a frame is what it would be by itself", () => {
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
      assertEquals(framed(cmd).steps, alone.steps);
    }
  }
});

test("not more frames are kept than are used in turns", () => {
  const first = framed(tool().umask(0));
  for (let mask = 1; mask <= 8; mask++) framed(tool().umask(mask));
  const again = framed(tool().umask(0));
  assertNotStrictEquals(again, first);
  assertEquals(again.steps, first.steps);
});

test("a frame is in the order of the design, and finds the first step of a kind", () => {
  const { steps } = framed(tool().handshake().limit("core", 1).limit("cpu", 2).umask(0));
  const places = steps.map(({ step }) => ORDER.indexOf(step));
  assertEquals(places, places.toSorted((a, b) => a - b));
  assertEquals(framed(tool().limit("core", 1).limit("cpu", 2)).find("limits")?.name, "core");
});
