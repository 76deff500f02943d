import { assert, assertEquals, assertInstanceOf, assertMatch, assertThrows } from "@std/assert";
import { test } from "node:test";
import { Command } from "../../core/command.ts";
import { displayValue } from "../../core/command/builder.ts";
import { specOf } from "../support/spec.ts";
import { UsageError } from "../../core/errors.ts";
import { chosenEnv } from "../../core/plan/plan.ts";
import { secret } from "../../core/text/secret.ts";
import { outputForm, stdinForm } from "../../core/command/stdio.ts";
import * as syscalls from "../../core/command/syscalls.ts";
import { imagined } from "../support/system.ts";

/** What cannot simply be put into a text: each of them throws in one way of doing that or another. */
const ODD: Record<string, unknown> = {
  "a bigint": 5n,
  "a symbol": Symbol("odd"),
  "null": null,
  "a record without a prototype": Object.create(null),
  "a record that throws": {
    toString: () => assert(false, "it was asked for its text"),
    toJSON: () => assert(false, "it was asked for its JSON"),
  },
  "an array with a symbol": [Symbol("odd")],
  "a function": () => 3,
};

const SHOWN: [value: unknown, text: string][] = [
  ["a b", '"a b"'],
  [5n, "5n"],
  [0.5, "0.5"],
  [NaN, "NaN"],
  [true, "true"],
  [undefined, "undefined"],
  [null, "null"],
  [Symbol("s"), "Symbol(s)"],
  [[1], "an array"],
  [secret("hunter2"), "object"],
];

for (const [value, text] of SHOWN) {
  test(`a message shows ${text}`, () => assertEquals(displayValue(value), text));
}

/** Calls of the builder with a value that TypeScript would refuse. Those that take it are left out. */
const CALLS: Record<string, (cmd: Command, odd: never) => unknown> = {
  "argPair(name)": (cmd, odd) => cmd.argPair(odd, "v"),
  "envPass(name)": (cmd, odd) => cmd.envPass(odd),
  "envPass: options": (cmd, odd) => cmd.envPass("A", odd),
  "envPass: setuid": (cmd, odd) => cmd.envPass("A", { setuid: odd }),
  "envString": (cmd, odd) => cmd.envString(odd),
  "limit(name)": (cmd, odd) => cmd.limit(odd, 1),
  "allowCap": (cmd, odd) => cmd.allowCap(odd),
  "user": (cmd, odd) => cmd.user(odd),
  "uid": (cmd, odd) => cmd.uid(odd),
  "gid": (cmd, odd) => cmd.gid(odd),
  "groups": (cmd, odd) => cmd.groups([odd]),
  "passFd": (cmd, odd) => cmd.passFd(odd),
  "passFd: options": (cmd, odd) => cmd.passFd(3, odd),
  "umask": (cmd, odd) => cmd.umask(odd),
  "runAmong": (cmd, odd) => cmd.runAmong(odd),
  "oomScoreAdj": (cmd, odd) => cmd.oomScoreAdj(odd),
  "nice": (cmd, odd) => cmd.nice(odd),
  "ioPriority": (cmd, odd) => cmd.ioPriority(odd),
  "ioPriority: level": (cmd, odd) => cmd.ioPriority("best-effort", odd),
  "cpuAffinity": (cmd, odd) => cmd.cpuAffinity(odd),
  "cpuAffinity: one": (cmd, odd) => cmd.cpuAffinity([0, odd]),
  "scheduler": (cmd, odd) => cmd.scheduler(odd),
  "scheduler: priority": (cmd, odd) => cmd.scheduler("SCHED_RR", odd),
  "dieWithParent": (cmd, odd) => cmd.dieWithParent(odd),
  "processGroup": (cmd, odd) => cmd.processGroup(odd),
  "stdin: file": (cmd, odd) => cmd.stdin({ file: odd }),
  "stdout: mode": (cmd, odd) => cmd.stdout({ file: "out", mode: odd }),
  "cwd": (cmd, odd) => cmd.cwd(odd),
  "pidFile": (cmd, odd) => cmd.pidFile(odd),
  "sendBuffer": (cmd, odd) => cmd.sendBuffer(odd),
  "step": (cmd, odd) => cmd.step(odd),
  "selinuxLabel": (cmd, odd) => cmd.selinuxLabel(odd),
};

/** Those that take a bigint. */
const MORE_CALLS: typeof CALLS = {
  "arg": (cmd, odd) => cmd.arg(odd),
  "argPair: value": (cmd, odd) => cmd.argPair("a", odd),
  "env: value": (cmd, odd) => cmd.env("A", odd),
  "envPass: default": (cmd, odd) => cmd.envPass("A", { default: odd }),
  "limit: soft": (cmd, odd) => cmd.limit("nofile", odd),
  "limit: hard": (cmd, odd) => cmd.limit("nofile", 1, odd),
  "maxFiles": (cmd, odd) => cmd.maxFiles(odd),
};

function isKept(call: (cmd: Command) => unknown): void {
  const cmd = new Command("true");
  call(cmd);
  assertInstanceOf(cmd.error, UsageError);
}

/** Options that are an object, of whatever kind, and have no member of ours say nothing. */
function saysNothing(name: string, odd: unknown): boolean {
  return name.endsWith("options") && typeof odd === "object" && odd !== null;
}

for (const [what, odd] of Object.entries(ODD)) {
  for (const [name, call] of Object.entries(CALLS)) {
    if (saysNothing(name, odd)) continue;
    test(`${name}: ${what} is a misuse that is kept`, () => {
      isKept((cmd) => call(cmd, odd as never));
    });
  }
  for (const [name, call] of Object.entries(MORE_CALLS)) {
    if (typeof odd === "bigint") continue;
    test(`${name}: ${what} is a misuse that is kept`, () => {
      isKept((cmd) => call(cmd, odd as never));
    });
  }
}

test("a number that was given as a descriptor's other number is shown as it is", () => {
  assertMatch(new Command("true").passFd(3, { as: 5n as never }).error?.message ?? "", /as: 5n/);
  assertMatch(
    new Command("true").passFd(3, { as: Symbol("s") as never }).error?.message ?? "",
    /s/,
  );
});

test("a limit that is named by an array of its name is unknown", () => {
  isKept((cmd) => cmd.limit(["nofile"] as never, 1));
});

for (const [what, odd] of Object.entries(ODD)) {
  test(`the palette: ${what} is a UsageError`, () => {
    const value = odd as never;
    assertThrows(() => syscalls.prlimit64(value, 1), UsageError);
    assertThrows(() => syscalls.sched_setaffinity(value), UsageError);
    assertThrows(() => syscalls.sched_setaffinity([value]), UsageError);
    assertThrows(() => syscalls.raw(value), UsageError);
    if (typeof odd !== "bigint") {
      assertThrows(() => syscalls.prlimit64("nofile", value), UsageError);
    }
  });
}

test("the name of a pair must be text, and a secret is none", () => {
  for (const name of [secret("hunter2"), 5, 5n]) {
    const { error } = new Command("true").argPair(name as never, "v");
    assertMatch(error?.message ?? "", /^argPair\(.*\): the name must be text$/);
    assert(!String(error?.message).includes("hunter2"));
  }
});

test("a secret default is passed in clear and shown as a mask", () => {
  const cmd = new Command("true").envPass("A", { default: secret("hunter2") });
  assertEquals(chosenEnv(specOf(cmd), imagined()), [["A", "hunter2"]]);
  assert(specOf(cmd).secretEnv.has("A"));
  assertEquals(specOf(cmd).secrets, ["hunter2"]);
});

test("a default that is a number is one in decimal", () => {
  const cmd = new Command("true").envPass("A", { default: 5 }).envPass("B", { default: 6n });
  assertEquals(chosenEnv(specOf(cmd), imagined()), [["A", "5"], ["B", "6"]]);
});

test("the options of envPass name no other variable", () => {
  const cmd = new Command("true").envPass("HOME", { op: "clear", name: "PATH" } as never);
  assertEquals(chosenEnv(specOf(cmd), imagined()), [["HOME", "/root"]]);
});

test("a list of any length becomes a command", () => {
  const cmd = Command.from(["true", ...Array.from({ length: 500_000 }, () => "a"), 5, 6n]);
  assertEquals(cmd.error, undefined);
  assertEquals(cmd.argv.length, 500_003);
  assertEquals(cmd.argv.slice(-3), ["a", "5", "6"]);
});

test("what is wrong in a list is told by its place", () => {
  const { error } = Command.from(["true", "a", undefined as never]);
  assertMatch(error?.message ?? "", /^args: argument 2: .*undefined/);
  assertMatch(Command.from([]).error?.message ?? "", /^Command: the binary/);
});

for (const given of [undefined, null, 5, "ls -l", Symbol("s"), {}, new Set(["ls"])]) {
  test(`Command.from: ${displayValue(given)} is no list, and the misuse says what is`, () => {
    const { error } = Command.from(given as never);
    assertInstanceOf(error, UsageError);
    assertMatch(error.message, /^Command\.from: expected an array such as \["ls", "-l"\], not /);
  });
}

const VIEWS = [
  Uint16Array,
  Int8Array,
  Uint8ClampedArray,
  Float64Array,
  BigUint64Array,
];

for (const View of VIEWS) {
  test(`stdin refuses a ${View.name}`, () => {
    assertMatch(String(stdinForm(new View(2) as never)), /^bytes are a Uint8Array/);
    isKept((cmd) => cmd.stdin(new View(2) as never));
  });
}

test("stdin refuses a DataView", () => {
  assertMatch(String(stdinForm(new DataView(new ArrayBuffer(2)) as never)), /Uint8Array/);
});

test("an output's mode is a number", () => {
  const form = outputForm({ file: "out", mode: "0644" as never }, "stdout");
  assertEquals(form, "a file mode is a number, not string");
});
