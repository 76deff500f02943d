import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { test } from "node:test";
import { explainPlan } from "../../backends/child_program/explain.ts";
import { Command } from "../../core/command.ts";
import { specOf } from "../support/spec.ts";
import { makePlan } from "../../core/plan/plan.ts";
import { secret } from "../../core/text/secret.ts";
import { imagined } from "../support/system.ts";

function explained(cmd: Command): string[] {
  return explainPlan(makePlan(specOf(cmd), imagined()));
}

test("each line is a step and a system call as strace would print it", () => {
  for (const line of explained(new Command("true").umask(0o27).cwd("/").maxFiles(5).session())) {
    assertMatch(line, /^[a-zA-Z]+ +[a-z_0-9]+\(.*\)( \/\* .* \*\/)?$/);
  }
});

test("the least plan: signals in one line, three streams, the mass close, exec", () => {
  const lines = explained(new Command("true", "a b").env("A", "b"));
  assertEquals(lines.map((line) => line.split(/ +/)[0]), [
    "signals",
    "fds",
    "fds",
    "fds",
    "fds",
    "unblock",
    "exec",
  ]);
  assertStringIncludes(lines[0] ?? "", "62 calls");
  assertStringIncludes(lines[4] ?? "", "close_range(3, ~0U, 0)");
  assertMatch(lines.at(-1) ?? "", /execve\("\/usr\/bin\/true", \["true", "a b"\], \["A=b"\]\)$/);
});

test("arguments are shown as people read them", () => {
  const text = explained(
    new Command("true").umask(0o7).limit("core", 0, "unlimited").cwd('/a "b"').processGroup(7),
  ).join("\n");
  for (
    const part of [
      "umask(0007)",
      "RLIMIT_CORE",
      "rlim_cur=0",
      "INFINITY",
      'chdir("/a \\"b\\"")',
      "setpgid(0, 7)",
    ]
  ) {
    assertStringIncludes(text, part);
  }
});

test("an inherited environment is not spelled out", () => {
  const last = explained(new Command("true")).at(-1) ?? "";
  assertStringIncludes(last, "2 variables");
  assert(!last.includes("/root"));
});

test("descriptors show where they come from", () => {
  const cmd = new Command("true").stdin("x").stdout({ file: "/tmp/out" }).passFd(7, { as: 9 });
  const text = explained(cmd).join("\n");
  for (const part of ["stdin", "/tmp/out", "/dev/null", "dup3(7, 9, 0)"]) {
    assertStringIncludes(text, part);
  }
});

test("descriptors that change places are shown the way that they are moved", () => {
  const lines = explained(new Command("true").stdout(2).stderr(1)).filter((line) =>
    line.startsWith("fds")
  );
  assert(lines.filter((line) => line.includes("dup3")).length >= 4, lines.join("\n"));
});

test("secrets are masked", () => {
  const text = explained(new Command("true", secret("s3cret")).env("A", secret("s3cret"))).join(
    "\n",
  );
  assert(!text.includes("s3cret"));
  assertStringIncludes(text, "***");
});
