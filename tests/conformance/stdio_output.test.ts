import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { closeSync, openSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Command, type RunOptions, UsageError } from "../../mod.ts";
import { failsToStart, failure } from "../support/failures.ts";
import { conform } from "../support/harness.ts";
import { program } from "../support/runtime.ts";

type Output = Parameters<Command["stdout"]>[0];

/** Writes to both streams, in turns. */
const BOTH = "echo out 1; echo err 1 >&2; echo out 2; echo err 2 >&2";
const OUT = "out 1\nout 2\n";
const ERR = "err 1\nerr 2\n";
const IN_ORDER = "out 1\nerr 1\nout 2\nerr 2\n";

const both = () => new Command("sh", "-c", BOTH);

/** A stream that keeps what is written to it. */
function keeper(): { stream: WritableStream<Uint8Array>; text(): string; closed(): number } {
  const decoder = new TextDecoder();
  let text = "";
  let closed = 0;
  const stream = new WritableStream<Uint8Array>({
    write: (chunk) => void (text += decoder.decode(chunk, { stream: true })),
    close: () => void closed++,
  });
  return { stream, text: () => text, closed: () => closed };
}

conform("run captures both streams, each for itself", async () => {
  const { stdout, stderr } = await both().run();
  assertEquals([stdout, stderr], [OUT, ERR]);
});

conform("runSync captures both streams, each for itself", () => {
  const { stdout, stderr } = both().runSync();
  assertEquals([stdout, stderr], [OUT, ERR]);
});

conform("spawn sends both streams to /dev/null", async ({ folder }) => {
  const path = join(folder(), "seen");
  const script = 'exec 3>"$0"; ls -l "/proc/$$/fd" | cat >&3';
  const child = await new Command("sh", "-c", script, path).spawn();
  await child.wait();
  const seen = readFileSync(path, "utf8");
  assertEquals([...seen.matchAll(/ ([012]) -> (.*)/g)].map((each) => [each[1], each[2]]), [
    ["0", "/dev/null"],
    ["1", "/dev/null"],
    ["2", "/dev/null"],
  ]);
});

conform("spawn captures if it is told to", async () => {
  const child = await both().stdout("capture").stderr("capture").spawn();
  const { stdout, stderr } = await child.wait();
  assertEquals([stdout, stderr], [OUT, ERR]);
});

conform("an output of null is not captured", async () => {
  const result = await both().stdout("null").run();
  assertEquals([result.stdout, result.stderr], ["", ERR]);
  const sync = both().stderr("null").runSync();
  assertEquals([sync.stdout, sync.stderr], [OUT, ""]);
});

conform("large outputs of both streams are captured whole", async () => {
  const script = "head -c 2000000 /dev/zero; head -c 2000000 /dev/zero >&2; head -c 5 /dev/zero";
  const result = await new Command("sh", "-c", script).run();
  assertEquals([result.stdoutBytes.length, result.stderrBytes.length], [2_000_005, 2_000_000]);
});

for (const [name, run] of ways()) {
  conform(`an output can go to a new file (${name})`, async ({ folder }) => {
    const path = join(folder(), "out");
    const result = await run(both().stdout({ file: path }));
    assertEquals([readFileSync(path, "utf8"), result.stdout, result.stderr], [OUT, "", ERR]);
  });

  conform(`a file is emptied first (${name})`, async ({ folder }) => {
    const path = join(folder(), "out");
    writeFileSync(path, "something long that was there before");
    await run(both().stdout({ file: path }));
    assertEquals(readFileSync(path, "utf8"), OUT);
  });

  conform(`a file can be appended to (${name})`, async ({ folder }) => {
    const path = join(folder(), "out");
    writeFileSync(path, "before\n");
    await run(both().stderr({ file: path, append: true }));
    await run(both().stderr({ file: path, append: true }));
    assertEquals(readFileSync(path, "utf8"), `before\n${ERR}${ERR}`);
  });

  conform(`stderr("stdout") merges in true order into what is captured (${name})`, async () => {
    const result = await run(both().stderr("stdout"));
    assertEquals([result.stdout, result.stderr], [IN_ORDER, ""]);
  });

  conform(`stderr("stdout") merges in true order into a file (${name})`, async ({ folder }) => {
    const path = join(folder(), "out");
    await run(both().stdout({ file: path }).stderr("stdout"));
    assertEquals(readFileSync(path, "utf8"), IN_ORDER);
  });

  conform(`stderr("stdout") follows stdout to a descriptor (${name})`, async (t) => {
    const path = join(t.folder(), "out");
    const fd = openSync(path, "w");
    t.defer(() => closeSync(fd));
    await run(both().stderr("stdout").stdout(fd));
    assertEquals(readFileSync(path, "utf8"), IN_ORDER);
  });

  conform(`both outputs can go to the same descriptor (${name})`, async (t) => {
    const path = join(t.folder(), "out");
    const fd = openSync(path, "w");
    t.defer(() => closeSync(fd));
    await run(both().stdout(fd).stderr(fd));
    assertEquals(readFileSync(path, "utf8"), IN_ORDER);
  });

  conform(`stderr("stdout") follows stdout to null (${name})`, async () => {
    const result = await run(both().stdout("null").stderr("stdout"));
    assertEquals([result.stdout, result.stderr], ["", ""]);
  });

  conform(`each output can have a file of its own (${name})`, async ({ folder }) => {
    const dir = folder();
    await run(both().stdout({ file: join(dir, "out") }).stderr({ file: join(dir, "err") }));
    assertEquals(readFileSync(join(dir, "out"), "utf8"), OUT);
    assertEquals(readFileSync(join(dir, "err"), "utf8"), ERR);
  });

  conform(`/dev/stdout and /dev/stderr can be opened in the child (${name})`, async () => {
    const script = "echo one >/dev/stdout; echo two >/dev/stderr; echo three >/proc/self/fd/1";
    const result = await run(new Command("sh", "-c", script));
    assertEquals([result.stdout, result.stderr], ["one\nthree\n", "two\n"]);
  });
}

function ways(): [string, (cmd: Command) => Promise<{ stdout: string; stderr: string }>][] {
  return [["run", (cmd) => cmd.run()], ["runSync", (cmd) => Promise.resolve(cmd.runSync())]];
}

conform(
  "a new file has the mode that was asked for, less the parent's umask",
  async ({ folder }) => {
    const dir = folder();
    const modeOf = (name: string) => statSync(join(dir, name)).mode & 0o777;
    await both().stdout({ file: join(dir, "a"), mode: 0o600 }).run();
    assertEquals(modeOf("a"), 0o600);
    await both().stdout({ file: join(dir, "b"), mode: 0o400 }).run();
    assertEquals(modeOf("b"), 0o400);
    writeFileSync(join(dir, "like-any-other"), "");
    await both().stdout({ file: join(dir, "c") }).run();
    assertEquals(modeOf("c"), modeOf("like-any-other"));
  },
);

conform("an output can go to a WritableStream, which is closed at the end", async () => {
  const kept = keeper();
  const result = await both().stdout(kept.stream).run();
  assertEquals([kept.text(), kept.closed(), result.stdout], [OUT, 1, ""]);
  assert(!kept.stream.locked || kept.closed() === 1);
});

conform("both outputs can go to the same WritableStream, which is closed once", async () => {
  const kept = keeper();
  await both().stdout(kept.stream).stderr(kept.stream).run();
  const lines = kept.text().split("\n").toSorted();
  assertEquals(lines, ["", "err 1", "err 2", "out 1", "out 2"]);
  assertEquals(kept.closed(), 1);
});

conform('stderr("stdout") follows stdout to a WritableStream in true order', async () => {
  const kept = keeper();
  await both().stdout(kept.stream).stderr("stdout").run();
  assertEquals([kept.text(), kept.closed()], [IN_ORDER, 1]);
});

conform("each output can have a WritableStream of its own", async () => {
  const [out, err] = [keeper(), keeper()];
  await both().stdout(out.stream).stderr(err.stream).run();
  assertEquals([out.text(), err.text()], [OUT, ERR]);
});

conform("a slow WritableStream slows the program down and loses nothing", async () => {
  let total = 0;
  const slow = new WritableStream<Uint8Array>({
    async write(chunk) {
      total += chunk.length;
      await new Promise((resolve) => setTimeout(resolve, 1));
    },
  });
  await new Command("head", "-c", 2_000_000, "/dev/zero").stdout(slow).run();
  assertEquals(total, 2_000_000);
});

conform("a WritableStream that fails stops the program and tells the caller", async () => {
  const failing = new WritableStream<Uint8Array>({
    write() {
      throw new RangeError("disk full");
    },
  });
  const options: RunOptions = { timeout: 20_000 };
  await assertRejects(
    () => new Command("yes").stdout(failing).run(options),
    RangeError,
    "disk full",
  );
});

conform("an output can go to a descriptor, which stays open in the parent", async (t) => {
  const path = join(t.folder(), "out");
  const fd = openSync(path, "w");
  t.defer(() => closeSync(fd));
  await both().stdout(fd).run();
  await both().stdout(fd).run();
  assertEquals(readFileSync(path, "utf8"), OUT + OUT);
});

/** Which of the parent's streams each of the child's goes to. */
const PERMUTATIONS: [stdout: string, stderr: string, out: string, err: string][] = [
  ["inherit", "inherit", OUT, ERR],
  ["1", "2", OUT, ERR],
  ["2", "1", ERR, OUT],
  ["1", "1", IN_ORDER, ""],
  ["2", "2", "", IN_ORDER],
  ["2", "stdout", "", IN_ORDER],
  ["inherit", "1", IN_ORDER, ""],
  ["2", "inherit", "", IN_ORDER],
  ["null", "1", ERR, ""],
  ["2", "null", "", OUT],
];

/** What came out of one parent that runs a program for each of them, in their order. */
async function permuted(way: string): Promise<[out: string, err: string][]> {
  const pairs = PERMUTATIONS.map(([stdout, stderr]) => `${stdout} ${stderr}`);
  const { stdout, stderr } = await program("inherit", "outputs", way, ...pairs).run();
  const errs = stderr.split("--\n");
  return stdout.split("--\n").map((out, i) => [out, errs[i] ?? "nothing"]);
}

for (const way of ["async", "sync"]) {
  let all: Promise<[out: string, err: string][]> | undefined;
  PERMUTATIONS.forEach(([stdout, stderr, out, err], i) => {
    conform(`stdout to ${stdout} and stderr to ${stderr} of the parent (${way})`, async () => {
      all ??= permuted(way);
      assertEquals((await all)[i], [out, err]);
    });
  });
}

conform("a capture of one stream leaves the other where it was sent", async ({ folder }) => {
  const path = join(folder(), "err");
  const result = await both().stdout("capture").stderr({ file: path }).run();
  assertEquals([result.stdout, readFileSync(path, "utf8")], [OUT, ERR]);
});

conform("the child's ends of its outputs are blocking ones", async () => {
  for (const fd of [1, 2]) {
    const { stdout } = await new Command("cat", `/proc/self/fdinfo/${fd}`).run();
    const [, flags = ""] = /^flags:\s+0*(\d+)$/m.exec(stdout) ?? [];
    assertEquals(parseInt(flags, 8) & 0o4000, 0);
  }
});

conform("an output file whose folder is missing is a SpawnError of step fds", async () => {
  await failsToStart(() => new Command("true").stdout({ file: "/no/such/folder/file" }), {
    step: "fds",
    syscall: "openat",
    code: "ENOENT",
    errno: 2,
    path: "/no/such/folder/file",
    exitCode: 125,
  });
});

conform("an output file that is a folder is a SpawnError of step fds", async () => {
  await failsToStart(() => new Command("true").stderr({ file: "/" }), {
    step: "fds",
    syscall: "openat",
    code: "EISDIR",
    errno: 21,
    path: "/",
    exitCode: 125,
  });
});

conform("a FIFO without a reader is an error, not a wait without end", async ({ folder }) => {
  const path = join(folder(), "fifo");
  await new Command("mkfifo", path).run();
  await failsToStart(() => new Command("true").stdout({ file: path }), {
    step: "fds",
    syscall: "openat",
    code: "ENXIO",
    errno: 6,
    path,
    exitCode: 125,
  });
});

conform("an output to a pipe needs spawn", async () => {
  for (const stream of ["stdout", "stderr"] as const) {
    await failure(UsageError, () => new Command("true")[stream]("pipe").run());
    await failure(UsageError, () => new Command("true")[stream]("pipe").runSync());
  }
});

conform("a WritableStream needs the event loop: not with runSync", async () => {
  await failure(UsageError, () => new Command("true").stdout(keeper().stream).runSync());
});

conform("an output that was set twice is a misuse", () => {
  assertInstanceOf(new Command("true").stdout("null").stdout("null").error, UsageError);
  assertInstanceOf(new Command("true").stderr("null").stderr("stdout").error, UsageError);
});

const MISUSES: Record<string, unknown> = {
  "a negative descriptor": -1,
  "a word": "somewhere",
  "an empty path": { file: "" },
  "a NUL byte in a path": { file: "\0" },
  "a mode that is none": { file: "/tmp/x", mode: 0o10000 },
  "nothing": undefined,
  "null itself": null,
  "a ReadableStream": new ReadableStream(),
  "stdout for stdout": "stdout",
};

for (const [what, output] of Object.entries(MISUSES)) {
  conform(`${what} is no output: a misuse`, () => {
    assertInstanceOf(new Command("true").stdout(output as Output).error, UsageError);
  });
}
