import { assert, assertEquals, assertMatch } from "@std/assert";
import { test } from "node:test";
import { Command } from "../../core/command.ts";
import { specOf } from "../support/spec.ts";
import { buildEnv } from "../../core/plan/environment.ts";
import { envNameProblem, type EnvOp, passCommonOps, xdgOps } from "../../core/command/env_ops.ts";
import { chosenEnv } from "../../core/plan/plan.ts";
import { imagined } from "../support/system.ts";

const PARENT = { A: "parent a", EMPTY: "", PATH: "/opt/bin", HOME: "/root", LD_PRELOAD: "evil.so" };

const set = (name: string, value: string): EnvOp => ({ op: "set", name, value });
const pass = (name: string, rest: object = {}): EnvOp => ({ op: "pass", name, ...rest });
const clear: EnvOp = { op: "clear" };
const lines = (ops: EnvOp[], setuid = false) =>
  buildEnv(ops, PARENT, { setuid })?.map(([name, value]) => `${name}=${value}`);

const TABLE: [what: string, ops: EnvOp[], env: string[] | undefined, underSetuid?: string[]][] = [
  ["no call inherits everything", [], undefined],
  ["a variable that is set is all there is", [set("B", "1")], ["B=1"]],
  ["variables stay in the order of the calls", [set("B", "1"), pass("A"), set("AA", "2")], [
    "B=1",
    "A=parent a",
    "AA=2",
  ]],
  ["a name that is set again keeps its place", [set("B", "1"), set("C", "2"), set("B", "3")], [
    "B=3",
    "C=2",
  ]],
  ["a value that is set may be passed over", [set("A", "1"), set("C", "2"), pass("A")], [
    "A=parent a",
    "C=2",
  ]],
  ["passing what the parent lacks leaves what was set", [set("B", "1"), pass("B")], ["B=1"]],
  ["passing what the parent lacks ends inheritance", [pass("NO_SUCH")], []],
  ["an empty value is a value", [pass("EMPTY", { default: "x" }), set("B", "")], ["EMPTY=", "B="]],
  ["the default stands in for what the parent lacks", [pass("NO_SUCH", { default: "x" })], [
    "NO_SUCH=x",
  ]],
  ["the default does not replace what the parent has", [pass("A", { default: "x" })], [
    "A=parent a",
  ]],
  ["a name that every object has is no variable", [pass("toString"), pass("constructor")], []],
  ["clearing drops what was chosen so far", [set("B", "1"), clear, set("C", "2")], ["C=2"]],
  ["clearing alone ends inheritance", [clear], []],
  ["what was cleared gets a new place", [
    set("B", "1"),
    set("C", "2"),
    clear,
    set("C", "3"),
    set("B", "4"),
  ], ["C=3", "B=4"]],
  ["under setuid, passing passes", [pass("A")], ["A=parent a"], ["A=parent a"]],
  ["under setuid, pass says so", [pass("A", { setuid: "pass" })], ["A=parent a"], ["A=parent a"]],
  ["under setuid, block drops", [pass("A", { setuid: "block" })], ["A=parent a"], []],
  [
    "under setuid, block leaves the default",
    [pass("A", { setuid: "block", default: "safe" })],
    ["A=parent a"],
    ["A=safe"],
  ],
  ["under setuid, what is set is set", [set("A", "1"), clear, set("B", "2")], ["B=2"], ["B=2"]],
];

for (const [what, ops, env, underSetuid] of TABLE) {
  test(`environment: ${what}`, () => {
    assertEquals(lines(ops), env);
    if (underSetuid !== undefined) assertEquals(lines(ops, true), underSetuid);
  });
}

test("the common variables are a fixed locale, and eight of the parent's in a fixed order", () => {
  const parent = Object.fromEntries(
    ["TMPDIR", "LOGNAME", "USER", "HOME", "PATH", "LD_LIBRARY_PATH", "LD_PRELOAD", "LANG", "LC_ALL"]
      .map((name) => [name, `my ${name}`]),
  );
  assertEquals(buildEnv(passCommonOps(), parent), [
    ["LC_ALL", "C"],
    ["LD_PRELOAD", "my LD_PRELOAD"],
    ["LD_LIBRARY_PATH", "my LD_LIBRARY_PATH"],
    ["PATH", "my PATH"],
    ["HOME", "my HOME"],
    ["USER", "my USER"],
    ["LOGNAME", "my LOGNAME"],
    ["TMPDIR", "my TMPDIR"],
  ]);
  assertEquals(buildEnv(passCommonOps(), parent, { setuid: true }), [
    ["LC_ALL", "C"],
    ["PATH", "/bin:/usr/bin"],
    ["USER", "my USER"],
    ["LOGNAME", "my LOGNAME"],
  ]);
});

test("the common variables have a PATH even if the parent has none", () => {
  assertEquals(buildEnv(passCommonOps(), {}), [["LC_ALL", "C"], ["PATH", "/bin:/usr/bin"]]);
});

test("the folders of XDG are under the one that was given", () => {
  assertEquals(buildEnv(xdgOps("/srv/x"), {}), [
    ["XDG_DATA_HOME", "/srv/x/.local/share"],
    ["XDG_CACHE_HOME", "/srv/x/.cache"],
    ["XDG_CONFIG_HOME", "/srv/x/.config"],
  ]);
});

const chosen = (cmd: Command) =>
  chosenEnv(specOf(cmd), imagined({ variable: (name) => name === "HOME" ? "/root" : undefined }));

/** Calls that add nothing here, each of which must end inheritance all the same. */
const ENDING: [what: string, call: (cmd: Command) => Command][] = [
  ["env({})", (cmd) => cmd.env({})],
  ["envPass of an unset variable", (cmd) => cmd.envPass("NO_SUCH")],
  ["envClear", (cmd) => cmd.envClear()],
];

for (const [what, call] of ENDING) {
  test(`${what} ends inheritance`, () => assertEquals(chosen(call(new Command("true"))), []));
}

test("no call of the environment inherits everything", () => {
  assertEquals(chosen(new Command("true").arg("x").cwd("/")), undefined);
});

test("a record is set in its order, and an empty one takes nothing back", () => {
  const cmd = new Command("true").env({ B: "1", A: 2, C: 3n }).env({});
  assertEquals(chosen(cmd), [["B", "1"], ["A", "2"], ["C", "3"]]);
});

test("an assignment is divided at its first equals sign", () => {
  assertEquals(chosen(new Command("true").envString("A=b=c").envString("B=")), [
    ["A", "b=c"],
    ["B", ""],
  ]);
});

test("a variable may have a name that means something to JavaScript", () => {
  const system = imagined({ variable: (name) => name === "__proto__" ? "x" : undefined });
  assertEquals(chosenEnv(specOf(new Command("true").envPass("__proto__")), system), [
    ["__proto__", "x"],
  ]);
});

const NAMES: [name: string, problem: RegExp | undefined][] = [
  ["A", undefined],
  ["a b", undefined],
  ["ü", undefined],
  ["", /empty/],
  ["A=B", /contains =/],
  ["A\0", /NUL/],
  ["\ud800", /surrogate/],
];

for (const [name, problem] of NAMES) {
  test(`the name ${JSON.stringify(name)} is ${problem ? "refused" : "a variable's"}`, () => {
    const found = envNameProblem(name);
    if (problem === undefined) return assertEquals(found, undefined);
    assertMatch(found ?? "", problem);
  });
}

const MISUSES: [what: string, call: (cmd: Command) => Command, message: RegExp][] = [
  ["an empty name", (cmd) => cmd.env("", "x"), /^env\(""\): the name is empty/],
  ["a NUL byte in a value", (cmd) => cmd.env("A", "x\0"), /^env\("A"\): .*NUL/],
  ["no value", (cmd) => cmd.env("A", undefined as unknown as string), /^env\("A"\): .*undefined/],
  ["no record", (cmd) => cmd.env(null as unknown as string, "x"), /^env: .*null/],
  ["no assignment", (cmd) => cmd.envString("A"), /^envString\("A"\): expected NAME=VALUE/],
  ["an assignment to nothing", (cmd) => cmd.envString("=x"), /^envString\(""\): .*empty/],
  ["passing an impossible name", (cmd) => cmd.envPass("A=B"), /^envPass\("A=B"\): .*=/],
  ["an unknown setuid rule", (cmd) => cmd.envPass("A", { setuid: "x" as "pass" }), /setuid is/],
  ["an impossible default", (cmd) => cmd.envPass("A", { default: "\0" }), /default: .*NUL/],
  ["an impossible XDG folder", (cmd) => cmd.envXdg("\0"), /^envXdg: .*NUL/],
];

for (const [what, call, message] of MISUSES) {
  test(`misuse of the environment: ${what}`, () => {
    const { error } = call(new Command("true"));
    assert(error !== undefined);
    assertEquals(error.name, "UsageError");
    assertMatch(error.message, message);
  });
}
