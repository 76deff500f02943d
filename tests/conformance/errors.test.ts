import { assert, assertEquals, assertInstanceOf, assertStringIncludes } from "@std/assert";
import {
  chmodSync,
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Command, CommandError, SpawnError } from "../../mod.ts";
import { type Expected, failsToStart, failure } from "../support/failures.ts";
import { conform } from "../support/harness.ts";

const EXEC = { step: "exec", syscall: "execve" };

function file(dir: string, name: string, content: string, mode = 0o755): string {
  const path = join(dir, name);
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

/** What cannot be executed, and how that must be told. */
const NOT_EXECUTABLE: Record<
  string,
  (dir: string) => { run: string; expected: Omit<Expected, "step" | "syscall"> }
> = {
  "a missing binary": (dir) => {
    const path = join(dir, "missing");
    return { run: path, expected: { code: "ENOENT", errno: 2, path, exitCode: 127 } };
  },
  "a binary in a missing folder": (dir) => {
    const path = join(dir, "no", "such", "program");
    return { run: path, expected: { code: "ENOENT", errno: 2, path, exitCode: 127 } };
  },
  "a binary in a folder that is a file": (dir) => {
    const path = join(file(dir, "file", ""), "program");
    return { run: path, expected: { code: "ENOTDIR", errno: 20, path, exitCode: 126 } };
  },
  "a folder": (dir) => {
    const path = join(dir, "folder");
    mkdirSync(path);
    return { run: path, expected: { code: "EACCES", errno: 13, path, exitCode: 126 } };
  },
  "a file without the x bit": (dir) => {
    const path = file(dir, "data", "#!/bin/sh\n", 0o644);
    return { run: path, expected: { code: "EACCES", errno: 13, path, exitCode: 126 } };
  },
  "an empty file": (dir) => {
    const path = file(dir, "empty", "");
    return { run: path, expected: { code: "ENOEXEC", errno: 8, path, exitCode: 126 } };
  },
  "a script without #!": (dir) => {
    const path = file(dir, "script", "echo no shell runs this\n");
    return { run: path, expected: { code: "ENOEXEC", errno: 8, path, exitCode: 126 } };
  },
  "a script whose interpreter is missing": (dir) => {
    const path = file(dir, "script", "#!/no/such/interpreter -x\n");
    const expected = { code: "ENOENT", errno: 2, path: "/no/such/interpreter", exitCode: 127 };
    return { run: path, expected };
  },
  "a script whose interpreter is not executable": (dir) => {
    const interpreter = file(dir, "interpreter", "", 0o644);
    const path = file(dir, "script", `#! ${interpreter}\n`);
    return { run: path, expected: { code: "EACCES", errno: 13, path: interpreter, exitCode: 126 } };
  },
  "a link to nowhere": (dir) => {
    const path = join(dir, "link");
    symlinkSync("/no/such/program", path);
    return { run: path, expected: { code: "ENOENT", errno: 2, path, exitCode: 127 } };
  },
  "a link to itself": (dir) => {
    const path = join(dir, "link");
    symlinkSync(path, path);
    return { run: path, expected: { code: "ELOOP", errno: 40, path, exitCode: 126 } };
  },
  "a name that is too long": (dir) => {
    const path = join(dir, "x".repeat(300));
    return { run: path, expected: { code: "ENAMETOOLONG", errno: 36, path, exitCode: 126 } };
  },
};

for (const [what, make] of Object.entries(NOT_EXECUTABLE)) {
  conform(
    `${what} is a SpawnError of step exec that names what is at fault`,
    async ({ folder }) => {
      const { run, expected } = make(folder());
      const error = await failsToStart(() => new Command(run, "an argument"), {
        ...EXEC,
        ...expected,
      });
      assertStringIncludes(error.message, expected.code);
      assertStringIncludes(error.message, expected.path ?? "");
      assertStringIncludes(error.message, run);
    },
  );
}

conform(
  "a program whose ELF interpreter is missing: the interpreter is named",
  async ({ folder }) => {
    const whole = readFileSync(new Command("cat").resolve());
    const known = /\/lib[\w/.-]*\/ld-[\w.-]+/.exec(whole.toString("latin1"));
    assert(known !== null, "cat has no ELF interpreter");
    const missing = known[0].replace("/lib", "/bil");
    whole.write(missing, known.index, "latin1");
    const path = join(folder(), "program");
    writeFileSync(path, whole, { mode: 0o755 });
    await failsToStart(() => new Command(path), {
      ...EXEC,
      code: "ENOENT",
      errno: 2,
      path: missing,
      exitCode: 127,
    });
  },
  { skip: isDynamic() ? undefined : "the programs of this system are linked statically" },
);

conform("an argument that is too long is E2BIG", async () => {
  const path = new Command("true").resolve();
  await failsToStart(() => new Command("true", "x".repeat(128 * 1024)), {
    ...EXEC,
    code: "E2BIG",
    errno: 7,
    path,
    exitCode: 126,
  });
});

conform("an argument list that is too long is E2BIG", async () => {
  const args = Array.from({ length: 80 }, () => "x".repeat(100_000));
  const error = await failure(SpawnError, () => new Command("true", ...args).run());
  assertEquals([error.step, error.code, error.exitCode], ["exec", "E2BIG", 126]);
});

conform("an environment that is too long is E2BIG", async () => {
  const cmd = new Command("true").env("LONG", "x".repeat(128 * 1024));
  const error = await failure(SpawnError, () => cmd.run());
  assertEquals([error.step, error.code, error.exitCode], ["exec", "E2BIG", 126]);
});

conform("a program that somebody has open for writing is ETXTBSY", async ({ folder, defer }) => {
  const path = join(folder(), "program");
  copyFileSync(new Command("true").resolve(), path);
  chmodSync(path, 0o755);
  const fd = openSync(path, "r+");
  defer(() => closeSync(fd));
  await failsToStart(() => new Command(path), {
    ...EXEC,
    code: "ETXTBSY",
    errno: 26,
    path,
    exitCode: 126,
  });
});

conform("a program that is busy for a moment only is tried again", async ({ folder }) => {
  const path = join(folder(), "program");
  copyFileSync(new Command("true").resolve(), path);
  chmodSync(path, 0o755);
  const fd = openSync(path, "r+");
  const running = new Command(path).run();
  setTimeout(() => closeSync(fd), 4);
  assert((await running).status.success);
});

conform(
  "a SpawnError says in one line what was attempted, on what, and why it failed",
  async () => {
    const cmd = new Command("/no/such/program", "a b").env("NAME", "value");
    const error = await failure(SpawnError, () => cmd.run());
    assertInstanceOf(error, CommandError);
    assertInstanceOf(error, Error);
    assertEquals(error.name, "SpawnError");
    const [line = ""] = error.message.split("\n");
    for (const part of ["/no/such/program", "ENOENT", "execve", "'a b'"]) {
      assertStringIncludes(line, part);
    }
    assertEquals(error.command, "NAME='***' /no/such/program 'a b'");
    assertEquals(error.args[0], '"/no/such/program"');
    assertEquals(error.errnoName, "ENOENT");
  },
);

conform("a missing cwd, a missing binary and a missing interpreter are told apart", async (t) => {
  const script = file(t.folder(), "script", "#!/no/such/interpreter\n");
  const paths = [
    new Command("true").cwd("/no/such/folder"),
    new Command("/no/such/program"),
    new Command(script),
  ].map(async (cmd) => (await failure(SpawnError, () => cmd.run())).path);
  assertEquals(await Promise.all(paths), [
    "/no/such/folder",
    "/no/such/program",
    "/no/such/interpreter",
  ]);
});

conform("a script is run by its interpreter", async ({ folder }) => {
  const path = file(folder(), "script", '#!/bin/sh -e\necho "$0" "$@"\n');
  assertEquals(await new Command(path, "a", "b c").text(), `${path} a b c\n`);
});

conform("a failed start does not run the source of the input", async () => {
  let taken = false;
  const source = {
    *[Symbol.iterator]() {
      taken = true;
      yield "x";
    },
  };
  await failure(SpawnError, () => new Command("/no/such/program").stdin(source).run());
  assert(!taken);
});

conform("the same command runs once what was missing is there", async ({ folder }) => {
  const path = join(folder(), "late");
  const cmd = new Command(path);
  await failure(SpawnError, () => cmd.run());
  writeFileSync(path, "#!/bin/sh\necho here\n", { mode: 0o755 });
  assertEquals(await cmd.text(), "here\n");
});

function isDynamic(): boolean {
  const whole = readFileSync(new Command("cat").resolve()).toString("latin1");
  return /\/lib[\w/.-]*\/ld-[\w.-]+/.test(whole);
}
