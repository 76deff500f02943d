import { assert, assertEquals, assertThrows } from "@std/assert";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { hookCommandOf, type OwnRuntime } from "../../backends/hook/runtime.ts";
import { UnsupportedError } from "../../core/errors.ts";

const NUMBERS = { image: 3, status: 4, at: 5, length: 6, folder: 7 };
const CALLS = {
  close: 1,
  execve: 0,
  execveat: 2,
  fchdir: 3,
  fcntl: 4,
  mmap: 5,
  pread64: 6,
  readlinkat: 7,
  write: 8,
};

/** A runtime like Node, or a program that has it inside. */
function runtimeWith(properties: Partial<OwnRuntime>): OwnRuntime {
  return {
    name: "node",
    path: () => "/opt/bin/node",
    application: () => undefined,
    variable: () => undefined,
    ...properties,
  };
}

const application = { path: () => "/opt/app", application: () => "this program is an application" };

/** The runtime for a hook. */
function chosen(own: OwnRuntime, runtime?: string, module: string = "file:///hook.mjs") {
  const hook = { module, data: "null", runtime };
  const command = hookCommandOf(own, { hook, driver: "native", command: "true" });
  const { path, isOwn } = command;
  const argv = command.argv({ ...NUMBERS, calls: CALLS, module });
  return { path, isOwn, flags: argv.slice(1, -1), program: argv.at(-1) ?? "" };
}

function refusal(...args: Parameters<typeof chosen>): string {
  const error = assertThrows(() => chosen(...args), UnsupportedError);
  assertEquals([error.feature, error.driver], ["preExec", "native"]);
  return error.message;
}

test("the runtime of this process runs hooks, with its permissions", () => {
  const own = runtimeWith({ permissions: () => ["--permission"] });
  const { path, isOwn, flags, program } = chosen(own);
  assertEquals([path, isOwn], ["/opt/bin/node", true]);
  assertEquals(flags, ["--no-warnings", "--permission", "-e"]);
  assert(program.endsWith(',()=>import("file:///hook.mjs"))'), program.slice(-80));
});

test("a hook's own choice counts more than the variable", () => {
  const own = runtimeWith({ variable: () => "/opt/bin/bun" });
  assertEquals(chosen(own).path, "/opt/bin/bun");
  assertEquals(chosen(own, "/opt/bin/deno").path, "/opt/bin/deno");
  assertEquals(chosen(own, "/opt/bin/node22").isOwn, false);
  assertEquals(chosen(runtimeWith({ variable: () => "" })).path, "/opt/bin/node");
  for (const value of ["bun", "./bun", "/opt/bin/app"]) {
    assert(refusal(runtimeWith({ variable: () => value })).includes("VIRCOMMAND_RUNTIME"));
  }
});

test("an application needs another runtime", () => {
  assert(refusal(runtimeWith(application)).includes("this program is an application"));
  assertEquals(chosen(runtimeWith(application), "/opt/bin/node").path, "/opt/bin/node");
  const variable = { ...application, variable: () => "/opt/bin/bun" };
  assertEquals(chosen(runtimeWith(variable)).path, "/opt/bin/bun");
});

test("an application is not taken for a runtime by another name", () => {
  const folder = mkdtempSync(join(tmpdir(), "vircommand-choice-"));
  try {
    const [app, link] = [join(folder, "app"), join(folder, "node")];
    writeFileSync(app, "");
    symlinkSync(app, link);
    refusal(runtimeWith({ ...application, path: () => app }), link);
    refusal(runtimeWith({ ...application, path: () => link }), link);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a module inside the program is refused", () => {
  const own = runtimeWith({ embeds: (module) => module.startsWith("file:///inside/") });
  refusal(own, "/opt/bin/node", "file:///inside/hook.mjs");
  assertEquals(chosen(own).isOwn, true);
});

test("limited permissions are not given up to a runtime of another kind", () => {
  const own = runtimeWith({ isRestricted: () => true, permissions: () => ["--permission"] });
  refusal(own, "/opt/bin/bun");
  assertEquals(chosen(own, "/usr/bin/node").flags, ["--no-warnings", "--permission", "-e"]);
  const free = runtimeWith({ permissions: () => [] });
  assertEquals(chosen(free, "/opt/bin/deno").flags.at(-1), "--allow-all");
});
