/**
 * What goes wrong in the system, and not in the command, is a CommandError too: no descriptors
 * left, a current folder that was removed, a program that reads no more.
 *
 * @module
 */

import { assert, assertEquals, assertInstanceOf, assertMatch } from "@std/assert";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import {
  backendInfo,
  Command,
  CommandError,
  dryRun,
  quote,
  ResultError,
  secret,
  syscalls,
  SystemCallError,
  UnsupportedError,
  UsageError,
} from "../../mod.ts";
import { failure, thrown } from "../support/failures.ts";
import { conform } from "../support/harness.ts";
import { preparedProgram, programArgv } from "../support/runtime.ts";

const { runtime, driver } = backendInfo();

/** What the programs of the suite report of an attempt. */
interface Row {
  readonly what: string;
  readonly said?: string;
  readonly name?: string;
  readonly message?: string;
  readonly code?: string;
  readonly step?: string;
  readonly syscall?: string;
  readonly ours: boolean;
}

async function rowsOf(preparation: string, ...argv: [string, ...string[]]): Promise<Row[]> {
  const cmd = preparedProgram(preparation, programArgv(...argv));
  return JSON.parse(await cmd.text({ timeout: 25_000 }));
}

for (const state of ["cold", "warm"]) {
  conform(
    `with no descriptor left, every way of running throws a CommandError (${state})`,
    async () => {
      const rows = await rowsOf("ulimit -n 64", "out_of_files", state);
      assert(rows.length > 15);
      for (const row of rows) {
        const { what, name, code, step, message } = row;
        assert(row.ours, JSON.stringify(row));
        if (what.startsWith("healthy")) assertEquals(name, "none", JSON.stringify(row));
        if (name === "SpawnError") {
          assertEquals(code, "EMFILE", message);
          assert(["clone", "fds", "identity", "capabilities"].includes(step ?? ""), message);
        }
        if (name === "SystemCallError") assertEquals(code, "EMFILE", message);
      }
      const refused = rows.filter(({ name }) =>
        name === "SpawnError" || name === "SystemCallError"
      );
      assert(refused.length > 5, JSON.stringify(rows));
    },
  );
}

conform(
  "in a current folder that was removed, what needs none runs, and the rest is a SpawnError",
  async ({ folder }) => {
    const rows = await rowsOf("", "no_folder", folder(), "warm");
    const named = new Map(rows.map((row) => [row.what, row]));
    for (const row of rows) assert(row.ours, JSON.stringify(row));
    for (const what of ["run", "lines", "elsewhere", "merged"]) {
      // Deno's own spawner does not start anything there.
      if (runtime === "deno" && driver === "portable" && what !== "merged") continue;
      assertEquals(named.get(what)?.said, "hi\n", JSON.stringify(named.get(what)));
    }
    const failing: [what: string, step: string, syscall: string][] = [
      ["./", "exec", "getcwd"],
      ["./ sync", "exec", "getcwd"],
      ["./ spawn", "exec", "getcwd"],
      ["./ explain", "exec", "getcwd"],
      ["./ resolve", "exec", "getcwd"],
      ["relative PATH", "exec", "getcwd"],
      ["cwd", "chdir", "chdir"],
      ["file", "fds", "openat"],
      ["pidFile", "pidFile", "getcwd"],
      ["hook", "preExec", "getcwd"],
    ];
    for (const [what, step, syscall] of failing) {
      const row = named.get(what);
      assertEquals([row?.name, row?.step, row?.syscall, row?.code], [
        "SpawnError",
        step,
        syscall,
        "ENOENT",
      ], what);
    }
  },
);

/** Why /proc cannot be hidden from a program, or why it could not run then. */
function noHidingOfProc(): string | undefined {
  if (runtime !== "node") return "Deno and Bun do not run without /proc";
  const { status } = spawnSync("unshare", ["-m", "sh", "-c", "mount -t tmpfs none /proc"]);
  return status === 0 ? undefined : "a mount namespace is not to be had";
}

conform("without /proc, whatever does not run throws a CommandError", async () => {
  const script = 'mount -t tmpfs none /proc && exec "$@"';
  const argv = ["unshare", "-m", "sh", "-c", script, "sh", ...programArgv("out_of_files", "all")];
  const rows: Row[] = JSON.parse(await Command.from(argv).text({ timeout: 25_000 }));
  for (const row of rows) {
    assert(row.ours, JSON.stringify(row));
    assert(row.name !== "CommandError", JSON.stringify(row));
  }
  if (driver === "native") assertEquals(rows.at(-1)?.name, "none");
}, { root: true, needs: ["unshare", "mount"], skip: noHidingOfProc() });

conform("writing to a program that is gone rejects with EPIPE, as a SystemCallError", async (t) => {
  const child = await new Command("true").stdin("pipe").spawn();
  t.defer(() => child.abort());
  await child.wait();
  const writer = child.stdin.getWriter();
  writer.closed.catch(() => {});
  const error = await thrown(async () => {
    for (let i = 0; i < 10; i++) await writer.write(new Uint8Array(1024 * 1024));
  });
  assertInstanceOf(error, SystemCallError);
  assertEquals([error.code, error.errno, error.syscall], ["EPIPE", 32, "write"]);
});

conform("a piece for stdin that is neither text nor bytes is a UsageError", async (t) => {
  const child = await new Command("cat").stdin("pipe").spawn();
  t.defer(() => child.abort());
  const writer = child.stdin.getWriter();
  writer.closed.catch(() => {});
  const error = await failure(CommandError, () => writer.write(7 as never));
  assertEquals(error.name, "UsageError");
});

conform("an output that is not JSON is a ResultError with the output", async () => {
  const error = await failure(ResultError, () => new Command("echo", "no\x1b[2J json").json());
  assertEquals([error.name, error.code, error.stdout], ["ResultError", 0, "no\x1b[2J json\n"]);
  assertMatch(error.message, /^the output is not JSON: .*: echo 'no\\x1b\[2J json'$/);
});

conform(
  "a command log that cannot be written to is a SystemCallError or a UsageError",
  async () => {
    const cmd = new Command("true");
    assert(!existsSync("/proc/self/fd/1000"));
    const closed = await failure(SystemCallError, () => cmd.writeArgLog(1000));
    assertEquals([closed.syscall, closed.code], ["write", "EBADF"]);
    for (const target of [-1, 1.5, NaN, "1", null, undefined, {}, Symbol("s")]) {
      assertEquals(
        (await failure(CommandError, () => cmd.writeArgLog(target as never))).name,
        "UsageError",
      );
    }
    const stream = new WritableStream<Uint8Array>();
    const writer = stream.getWriter();
    assertEquals((await failure(CommandError, () => cmd.writeArgLog(stream))).name, "StateError");
    writer.releaseLock();
    const broken = new WritableStream<Uint8Array>({
      write() {
        throw new RangeError("mine");
      },
    });
    // What a stream of the caller throws is the caller's.
    assertInstanceOf(await thrown(() => cmd.writeArgLog(broken)), RangeError);
  },
);

/** What no type checker would let through, and what TypeErrors used to come of. */
const WRONG: Record<string, () => unknown> = {
  "run: null": () => new Command("true").run(null as never),
  "run: a text": () => new Command("true").run("x" as never),
  "runSync: null": () => new Command("true").runSync(null as never),
  "spawn: null": () => new Command("true").spawn(null as never),
  "text: null": () => new Command("true").text(null as never),
  "killSignal: a symbol": () => new Command("true").run({ killSignal: Symbol("s") as never }),
  "okCodes: a symbol": () => new Command("true").run({ okCodes: [Symbol("s")] as never }),
  "timeout: no prototype": () => new Command("true").run({ timeout: Object.create(null) }),
  "driver: a symbol": () => new Command("true").run({ driver: Symbol("s") as never }),
  "driver: a member of objects": () => backendInfo("constructor" as never),
  "runRegex: no expression": () => new Command("true").runRegex(undefined as never, () => {}),
  "runRegex: a text": () => new Command("true").runRegex("x" as never, () => {}),
  "runRegex: a list of texts": () => new Command("true").runRegex(["x"] as never, () => {}),
  "runRegex: no function": () => new Command("true").runRegex(/x/, undefined as never),
  "runRegex: null": () => new Command("true").runRegex(/x/, () => {}, null as never),
  "runNul: no function": () => new Command("true").runNul(1, undefined as never),
  "secret: a number": () => new Command("true").arg(secret(5 as never)).run(),
  "step: no call": () => new Command("true").step({ name: "getpid", args: [] } as never).run(),
  "quote: a symbol": () => quote(Symbol("s") as never),
  "dryRun: no function": () => dryRun("x" as never),
  "dryRun: an output that is none": () =>
    dryRun(() => ({ stdout: 5 as never }), () => new Command("true").run()),
  "dryRun: a signal that is none": () =>
    dryRun(() => ({ signal: Symbol("s") as never }), () => new Command("true").run()),
  "dryRun: a code that is none": () =>
    dryRun(() => ({ code: "1" as never }), () => new Command("true").run()),
};

for (const [what, action] of Object.entries(WRONG)) {
  conform(`${what} is a CommandError, and no error of the language's`, async () => {
    assertInstanceOf(await thrown(action), CommandError);
  });
}

conform("kill() of what is no signal is a UsageError", async (t) => {
  const child = await new Command("sleep", 1000).spawn();
  t.defer(() => child.abort());
  for (const signal of [5n, Symbol("s"), "SIGNOPE", 1.5, 65, -1, null, {}]) {
    assertEquals(
      (await failure(CommandError, () => child.kill(signal as never))).name,
      "UsageError",
    );
  }
});

conform("an unknown system call is refused before anything is started", async () => {
  const cmd = new Command("true").step(syscalls.raw("no_such_call", 1));
  const error = await thrown(() => cmd.run());
  if (error instanceof UnsupportedError) throw error;
  assertInstanceOf(error, UsageError);
  assertMatch(error.message, /no_such_call/);
});

conform("the message about a command that is too long is not too long itself", async () => {
  const long = "x".repeat(200_000);
  for (
    const make of [
      () => new Command("true", long).run(),
      () => new Command("true", long).runSync(),
      () => new Command("sh", "-c", "exit 1", "y".repeat(100_000)).run(),
      () => new Command("/no/such/program", long).run(),
    ]
  ) {
    const error = await failure(CommandError, make);
    assert(error.message.length < 12_000, `${error.message.length}`);
    assert((error.command ?? "").length < 5000);
    assertMatch(error.message, /… \(\d+ more characters\)/);
  }
});
