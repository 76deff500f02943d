import { assertEquals, assertStringIncludes } from "@std/assert";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { arg, type Call, call } from "../../backends/child_program/call.ts";
import { type Files, interpreterOf, spawnError } from "../../backends/child_program/failure.ts";
import { Command } from "../../mod.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** Files by path: what stands in them. The others are not there. */
function filesWith(contents: Record<string, string>): Files {
  return {
    access: (path) => path in contents ? "ok" : "ENOENT",
    head: (path) => contents[path] === undefined ? undefined : bytes(contents[path]),
  };
}

const exec = (path: string): Call => ({
  ...call("exec", "execve", [{ text: path }]),
  path,
});

test("a failed call becomes an error with its step, system call, arguments and path", () => {
  const chdir = { ...call("chdir", "chdir", [{ text: "/x" }]), path: "/x" };
  const { step, syscall, args, code, errno, path, exitCode, command } = spawnError(
    chdir,
    13,
    "true a",
    filesWith({}),
  );
  assertEquals([step, syscall, args, code, errno], ["chdir", "chdir", ['"/x"'], "EACCES", 13]);
  assertEquals([path, exitCode, command], ["/x", 125, "true a"]);
});

test("a call that is about no file blames none", () => {
  const error = spawnError(call("umask", "umask", [arg(0, "000")]), 38, "true", filesWith({}));
  assertEquals([error.path, error.code], [undefined, "ENOSYS"]);
  assertStringIncludes(error.message, "umask(000)");
});

test("a missing file is blamed itself", () => {
  const error = spawnError(exec("/p"), 2, "/p", filesWith({}));
  assertEquals([error.path, error.exitCode], ["/p", 127]);
});

test("a missing interpreter is blamed, not the script that names it", () => {
  const error = spawnError(exec("/p"), 2, "/p", filesWith({ "/p": "#!/no/such -x\n" }));
  assertEquals([error.path, error.exitCode], ["/no/such", 127]);
  assertStringIncludes(error.message, "/p");
});

test("a script whose interpreter is there is blamed itself", () => {
  const files = filesWith({ "/p": "#!/bin/sh\n", "/bin/sh": "" });
  assertEquals(spawnError(exec("/p"), 13, "/p", files).path, "/p");
});

for (const [errno, code] of [[7, "E2BIG"], [8, "ENOEXEC"], [26, "ETXTBSY"]] as const) {
  test(`${code} of exec is explained`, () => {
    const error = spawnError(exec("/p"), errno, "/p", filesWith({ "/p": "" }));
    assertEquals([error.code, error.path, error.exitCode], [code, "/p", 126]);
    assertStringIncludes(error.message, `${code}: `);
  });
}

const SCRIPTS: Record<string, string | undefined> = {
  "#!/bin/sh\n": "/bin/sh",
  "#! /bin/sh -e\n": "/bin/sh",
  "#!\t/usr/bin/env\tbash\n": "/usr/bin/env",
  "#!/bin/sh": "/bin/sh",
  "#!interpreter\n": "interpreter",
  "#!\n": undefined,
  "#!": undefined,
  "": undefined,
  "echo\n": undefined,
  " #!/bin/sh\n": undefined,
};

for (const [prefix, expected] of Object.entries(SCRIPTS)) {
  test(`the interpreter of ${JSON.stringify(prefix)} is ${expected}`, () => {
    assertEquals(interpreterOf(bytes(prefix)), expected);
  });
}

test("the interpreter of an ELF file is the one that it names", () => {
  const prefix = readFileSync(new Command("cat").resolve()).subarray(0, 64 * 1024);
  const known = /\/lib[\w/.-]*\/ld-[\w.-]+/.exec(prefix.toString("latin1"));
  assertEquals(interpreterOf(prefix), known?.[0]);
});

test("an ELF file that is cut off, or of 32 bits, names no interpreter", () => {
  const prefix = readFileSync(new Command("cat").resolve()).subarray(0, 64 * 1024);
  for (const length of [0, 3, 4, 20, 63, 64, 100]) {
    assertEquals(interpreterOf(prefix.subarray(0, length)), undefined);
  }
  const small = Uint8Array.from(prefix);
  small[4] = 1;
  assertEquals(interpreterOf(small), undefined);
  assertEquals(interpreterOf(undefined), undefined);
});
