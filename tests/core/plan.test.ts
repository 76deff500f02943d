import { assert, assertEquals, assertThrows } from "@std/assert";
import { test } from "node:test";
import type { System } from "../../core/system.ts";
import { Command } from "../../core/command.ts";
import { specOf } from "../support/spec.ts";
import { SpawnError, SystemCallError } from "../../core/errors.ts";
import { ORDER } from "../../core/plan/order.ts";
import {
  describe,
  displayParts,
  findStep,
  makePlan,
  type Plan,
  resolveProgram,
  stepOf,
} from "../../core/plan/plan.ts";
import { secret } from "../../core/text/secret.ts";
import { imagined } from "../support/system.ts";

function planOf(cmd: Command, answers: Partial<System> = {}): Plan {
  return makePlan(specOf(cmd), imagined(answers));
}

const kinds = (plan: Plan) => plan.steps.map((each) => each.step);

test("the least plan resets signals, lays descriptors out, unblocks and execs", () => {
  assertEquals(kinds(planOf(new Command("true"))), ["signals", "fds", "unblock", "exec"]);
});

test("each attribute is one step, in the order of the design and not in that of the calls", () => {
  const cmd = new Command("true").cwd("/").limit("core", 0).maxFiles(9).session().umask(0);
  assertEquals(kinds(planOf(cmd)), [
    "signals",
    "umask",
    "fds",
    "session",
    "limits",
    "limits",
    "chdir",
    "unblock",
    "exec",
  ]);
});

test("whatever is asked for, the steps come in the order of the design", () => {
  const calls: ((cmd: Command) => Command)[] = [
    (cmd) => cmd.cwd("/"),
    (cmd) => cmd.umask(0o77),
    (cmd) => cmd.limit("core", 0),
    (cmd) => cmd.limit("cpu", 1, 2),
    (cmd) => cmd.session(),
    (cmd) => cmd.passFd(5),
    (cmd) => cmd.env("A", "b"),
    (cmd) => cmd.stdin("x"),
  ];
  for (let set = 0; set < 1 << calls.length; set++) {
    const chosen = calls.filter((_, i) => (set >> i & 1) === 1);
    const plan = planOf(chosen.reduceRight((cmd, call) => call(cmd), new Command("true")));
    const places = plan.steps.map((each) => ORDER.indexOf(each.step));
    assertEquals(places, places.toSorted((a, b) => a - b));
  }
});

test("the exec step has the file that was found, and argv as it was given", () => {
  const exec = planOf(new Command("tool", "a", 1).arg0("other")).exec;
  assertEquals([exec.path, exec.argv], ["/usr/bin/tool", ["other", "a", "1"]]);
});

test("a name with a slash is made absolute from the current folder", () => {
  assertEquals(planOf(new Command("./tool")).exec.path, "/work/./tool");
  assertEquals(planOf(new Command("/opt/tool")).exec.path, "/opt/tool");
});

test("without env calls everything is inherited, with them nothing but what was chosen", () => {
  const inherited = planOf(new Command("true")).exec;
  assertEquals([inherited.inherits, inherited.env], [true, ["PATH=/usr/bin", "HOME=/root"]]);
  const cmd = new Command("true").env("B", "2").envPass("HOME").envPass("NO_SUCH").env("A", "1");
  const chosen = planOf(cmd).exec;
  assertEquals([chosen.inherits, chosen.env], [false, ["B=2", "HOME=/root", "A=1"]]);
});

test("single variables are asked for by name, the whole environment only if it is inherited", () => {
  const asked: string[] = [];
  const answers: Partial<System> = {
    environment: () => {
      throw new Error("the whole environment was asked for");
    },
    variable: (name) => {
      asked.push(name);
      return "/usr/bin";
    },
  };
  planOf(new Command("true").envPass("PATH"), answers);
  assertEquals(asked, ["PATH"]);
});

test("secrets are in what the program gets, and masked in everything that is shown", () => {
  const cmd = new Command("tool", secret("s3cret")).argPair("k", secret("s3cret"))
    .env("A", secret("s3cret")).env("B", "plain");
  const plan = planOf(cmd);
  const exec = plan.exec;
  assertEquals(exec.argv, ["tool", "s3cret", "k=s3cret"]);
  assertEquals(exec.env, ["A=s3cret", "B=plain"]);
  assertEquals(exec.displayArgv, ["tool", "***", "k=***"]);
  assertEquals(exec.displayEnv, ["A=***", "B=plain"]);
  assertEquals(plan.command, "A='***' B='***' tool '***' 'k=***'");
  assertEquals(describe(specOf(cmd), imagined()), "A='***' B=plain tool '***' 'k=***'");
  assertEquals(displayParts(specOf(cmd), imagined()).argv, ["tool", "***", "k=***"]);
});

test("each form of a standard stream has its source", () => {
  const wiresOf = (cmd: Command) => stepOf(planOf(cmd), "fds").childFds.map((each) => each.source);
  assertEquals(wiresOf(new Command("true")), [{ from: "null" }, { from: "null" }, {
    from: "null",
  }]);
  const pipes = new Command("true").stdin("x").stdout("capture").stderr("pipe");
  assertEquals(wiresOf(pipes), [
    { from: "pipe", carries: "stdin" },
    { from: "pipe", carries: "stdout" },
    { from: "pipe", carries: "stderr" },
  ]);
  const fds = new Command("true").stdin("inherit").stdout(2).stderr("stdout");
  assertEquals(wiresOf(fds), [{ from: "fd", fd: 0 }, { from: "fd", fd: 2 }, {
    from: "same",
    as: 1,
  }]);
  const files = new Command("true").stdin({ file: "/a" }).stdout({ file: "b", mode: 0o600 })
    .stderr({ file: "c", append: true });
  assertEquals(wiresOf(files), [
    { from: "file", path: "/a", access: "read", mode: 0 },
    { from: "file", path: "b", access: "write", mode: 0o600 },
    { from: "file", path: "c", access: "append", mode: 0o666 },
  ]);
});

test("passed descriptors and buffers come after the standard streams", () => {
  const cmd = new Command("true").passFd(7).passFd(8, { as: 3 });
  cmd.sendBuffer("x");
  const { childFds } = stepOf(planOf(cmd), "fds");
  assertEquals(childFds.slice(3), [
    { to: 7, source: { from: "fd", fd: 7 } },
    { to: 3, source: { from: "fd", fd: 8 } },
    { to: 4, source: { from: "pipe", carries: "buffer" } },
  ]);
});

test("limits are numbers of 64 bits, with the hard one beside the soft one", () => {
  const cmd = new Command("true").limit("core", 0).limit("fsize", 5, "unlimited");
  const limits = planOf(cmd).steps.filter((each) => each.step === "limits");
  assertEquals(limits.map(({ name, resource, soft, hard }) => [name, resource, soft, hard]), [
    ["core", 4, 0n, 0n],
    ["fsize", 1, 5n, 2n ** 64n - 1n],
  ]);
});

test("the limit on open files that the runtime was started with is given back", () => {
  const original = { soft: 1024n, hard: 4096n, note: "as it was" };
  const answers = { startingNofile: () => original };
  const given = findStep(planOf(new Command("true"), answers), "limits");
  assertEquals(given, { step: "limits", name: "nofile", resource: 7, ...original });
  const asked = findStep(planOf(new Command("true").maxFiles(5), answers), "limits");
  assertEquals(asked?.soft, 5n);
});

test("a program that is not in PATH is a SpawnError of step exec, with the command", () => {
  const error = assertThrows(
    () => planOf(new Command("tool", "a b"), { access: () => "ENOENT" }),
    SpawnError,
  );
  assertEquals([error.step, error.syscall, error.code], ["exec", "execve", "ENOENT"]);
  assertEquals([error.path, error.exitCode], ["tool", 127]);
  assertEquals(error.command, "tool 'a b'");
  const denied = assertThrows(
    () => resolveProgram(specOf(new Command("tool")), imagined({ access: () => "EACCES" })),
    SpawnError,
  );
  assertEquals([denied.code, denied.path, denied.exitCode], ["EACCES", "/usr/bin/tool", 126]);
});

test("the child's PATH is searched if the command sets one", () => {
  const answers: Partial<System> = {
    access: (path) => path === "/opt/tool" ? "ok" : "ENOENT",
  };
  const cmd = new Command("tool").env("PATH", "/nowhere:/opt");
  assertEquals(planOf(cmd, answers).exec.path, "/opt/tool");
});

test("a plan is data that later calls do not change", () => {
  const cmd = new Command("true", "a").env("B", "c");
  const plan = planOf(cmd);
  const data = () =>
    structuredClone(plan.steps.map((step) => {
      if (step.step !== "exec") return step;
      const { env, displayArgv: shownArgv, displayEnv: shownEnv } = step;
      return { ...step, env, shownArgv, shownEnv };
    }));
  const before = data();
  cmd.arg("b").umask(0).env("A", "b").env("B", "d").passFd(9);
  assertEquals(data(), before);
  assert(!kinds(plan).includes("umask"));
});

test("a relative path of a hook counts from the current folder of the run", () => {
  const hookOf = (module: string | URL, currentFolder = () => "/work dir") =>
    stepOf(planOf(new Command("true").preExec(module), { currentFolder }), "preExec").hook.module;
  assertEquals(hookOf("a b.mjs"), "file:///work%20dir/a%20b.mjs");
  assertEquals(hookOf("/hooks/%.mjs"), "file:///hooks/%25.mjs");
  assertEquals(hookOf(new URL("file:///hooks/a.mjs")), "file:///hooks/a.mjs");
  const removed = () => {
    throw new SystemCallError("getcwd", 2);
  };
  assertEquals(assertThrows(() => hookOf("a.mjs", removed), SpawnError).step, "preExec");
});
