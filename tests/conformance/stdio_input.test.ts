import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { openSync, writeFileSync } from "node:fs";
import { closeSync } from "node:fs";
import { join } from "node:path";
import { Command, type RunOptions, UsageError } from "../../mod.ts";
import { BAD_DESCRIPTOR, failsToStart, failure } from "../support/failures.ts";
import { conform, settled } from "../support/harness.ts";
import { preparedProgram, programArgv } from "../support/runtime.ts";

type Input = Parameters<Command["stdin"]>[0];

const bytes = (text: string) => new TextEncoder().encode(text);

function cat(input: Input, options: RunOptions = {}): Promise<string> {
  return new Command("cat").stdin(input).text(options);
}

function streamOf<T>(...chunks: T[]): ReadableStream<T> {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
}

async function* lazily<T>(...chunks: T[]): AsyncGenerator<T> {
  for (const chunk of chunks) {
    await Promise.resolve();
    yield chunk;
  }
}

conform("standard input is empty if nothing was said", async () => {
  assertEquals(await new Command("cat").text(), "");
  const { stdout } = await new Command("readlink", "/proc/self/fd/0").run();
  assertEquals(stdout, "/dev/null\n");
});

const FORMS: Record<string, () => Input> = {
  "text": () => "one two",
  "bytes": () => bytes("one two"),
  "a stream of bytes": () => streamOf(bytes("one "), bytes("two")),
  "a stream of text": () => streamOf("one ", "two"),
  "an array": () => ["one ", bytes("two")],
  "a set": () => new Set(["one ", "two"]),
  "a generator": () =>
    function* () {
      yield "one ";
      yield bytes("two");
    }(),
  "an asynchronous generator": () => lazily<string | Uint8Array>("one ", bytes("two")),
  "pieces of which some are empty": () => ["", "one ", new Uint8Array(0), "two", ""],
};

for (const [what, make] of Object.entries(FORMS)) {
  conform(`standard input can be ${what}`, async () => {
    assertEquals(await cat(make()), "one two");
  });
}

conform("standard input can be null", async () => {
  assertEquals(await cat("null"), "");
});

conform("standard input can be a file", async ({ folder }) => {
  const path = join(folder(), "input");
  writeFileSync(path, "from a file");
  assertEquals(await cat({ file: path }), "from a file");
  assertEquals(await new Command("cat").stdin({ file: path }).cwd("/").text(), "from a file");
});

conform("standard input can be a descriptor, which stays open in the parent", async (t) => {
  const path = join(t.folder(), "input");
  writeFileSync(path, "twelve bytes");
  const fd = openSync(path, "r");
  t.defer(() => closeSync(fd));
  assertEquals(await new Command("head", "-c", 0).stdin(fd).text(), "");
  assertEquals(await cat(fd), "twelve bytes");
  // Both have the same offset, as shells have it too.
  assertEquals(await cat(fd), "");
});

conform("an inherited standard input is the parent's", async () => {
  const argv = programArgv("inherit", "stdin");
  const { stdout } = await Command.from(argv).stdin("for the grandchild").run();
  assertEquals(stdout, "for the grandchild");
});

conform("empty text and empty bytes are an input that ends at once", async () => {
  assertEquals(await cat(""), "");
  assertEquals(await cat(new Uint8Array(0)), "");
  assertEquals(await cat([]), "");
});

conform("binary input arrives as it is", async () => {
  const all = Uint8Array.from({ length: 256 }, (_, i) => i);
  assertEquals(await new Command("cat").stdin(all).bytes(), all);
});

conform("text is encoded as UTF-8", async () => {
  assertEquals(await new Command("cat").stdin("ü→𝄞").bytes(), bytes("ü→𝄞"));
});

conform("input larger than a pipe goes in while output comes out", async () => {
  const big = Uint8Array.from({ length: 3_000_000 }, (_, i) => i % 251);
  assertEquals(await new Command("cat").stdin(big).bytes(), big);
});

conform("a stream of many pieces arrives whole and in order", async () => {
  const pieces = Array.from({ length: 2000 }, (_, i) => `${i} ${"x".repeat(i % 300)}\n`);
  assertEquals(await cat(lazily(...pieces)), pieces.join(""));
});

conform("bytes that the caller changes afterwards were copied", async () => {
  const input = bytes("before");
  const cmd = new Command("cat").stdin(input);
  input.fill(0);
  assertEquals(await cmd.text(), "before");
});

conform("text and bytes are sent anew at each run", async () => {
  const cmd = new Command("cat").stdin("again");
  assertEquals([await cmd.text(), await cmd.text(), cmd.runSync().stdout], [
    "again",
    "again",
    "again",
  ]);
});

conform("a program that does not read its input is no error", async () => {
  const big = new Uint8Array(1_000_000);
  assert((await new Command("true").stdin(big).run()).status.success);
  assert((await new Command("true").stdin("").run()).status.success);
});

conform("a program that closes its input early is no error", async () => {
  const big = "x".repeat(1_000_000);
  assertEquals(await new Command("head", "-c", 3).stdin(big).text(), "xxx");
  assertEquals(await new Command("sh", "-c", "exec <&-; echo done").stdin(big).text(), "done\n");
});

conform("an endless source is stopped when the program has had enough", async () => {
  let returned = false;
  function* endless(): Generator<string> {
    try {
      for (;;) yield "x".repeat(1000);
    } finally {
      returned = true;
    }
  }
  assertEquals(await new Command("head", "-c", 3).stdin(endless()).text(), "xxx");
  assert(returned);
});

conform("a source that never yields again does not keep a program's end waiting", async () => {
  async function* stuck(): AsyncGenerator<string> {
    yield "first";
    await new Promise<never>(() => {});
  }
  assertEquals(await new Command("head", "-c", 5).stdin(stuck()).text(), "first");
});

conform("a stream that never ends is cancelled when the program has ended", async () => {
  let cancelled = false;
  const stream = new ReadableStream<string>({
    start: (controller) => controller.enqueue("first"),
    cancel: () => void (cancelled = true),
  });
  assertEquals(await new Command("head", "-c", 5).stdin(stream).text(), "first");
  await settled(() => Number(cancelled), 20);
  assert(cancelled);
});

conform("what a source throws ends the program and reaches the caller", async () => {
  const failing = async function* () {
    yield "half of it";
    await Promise.resolve();
    throw new RangeError("no more");
  };
  const error = await assertRejects(() => cat(failing()), RangeError);
  assertEquals(error.message, "no more");
});

conform("the error of a failing stream reaches the caller", async () => {
  const stream = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.error(new RangeError("broken")),
  });
  await assertRejects(() => cat(stream), RangeError, "broken");
});

conform("a piece that is neither text nor bytes is a UsageError", async () => {
  await assertRejects(() => cat(lazily<unknown>("a", 7) as AsyncIterable<string>), UsageError);
  await assertRejects(() => cat([null] as unknown as string[]), UsageError);
});

conform("input is taken from a source no faster than the program reads", async ({ defer }) => {
  let taken = 0;
  async function* source(): AsyncGenerator<Uint8Array> {
    for (;;) {
      taken++;
      await Promise.resolve();
      yield new Uint8Array(64 * 1024);
    }
  }
  const child = await new Command("sleep", 1000).stdin(source()).spawn();
  defer(() => child[Symbol.asyncDispose]());
  assert(await settled(() => taken) < 10, `${taken} pieces were taken for nobody`);
});

conform("/dev/stdin can be opened in the child", async () => {
  assertEquals(await new Command("cat", "/dev/stdin").stdin("opened").text(), "opened");
  assertEquals(new Command("cat", "/dev/stdin").stdin("opened").runSync().stdout, "opened");
});

conform("the child's end of its input is a blocking one", async () => {
  const { stdout } = await new Command("cat", "/proc/self/fdinfo/0").stdin("").run();
  const [, flags = ""] = /^flags:\s+0*(\d+)$/m.exec(stdout) ?? [];
  assertEquals(parseInt(flags, 8) & 0o4000, 0);
});

conform("an input file that is missing is a SpawnError of step fds that names it", async () => {
  await failsToStart(() => new Command("cat").stdin({ file: "/no/such/file" }), {
    step: "fds",
    syscall: "openat",
    code: "ENOENT",
    errno: 2,
    path: "/no/such/file",
    exitCode: 125,
  });
});

conform("a descriptor that is not open is a SpawnError of step fds", async () => {
  await failsToStart(() => new Command("cat").stdin(987_654), BAD_DESCRIPTOR);
});

conform("a pipe for standard input needs spawn", async () => {
  await failure(UsageError, () => new Command("cat").stdin("pipe").run());
  await failure(UsageError, () => new Command("cat").stdin("pipe").runSync());
});

conform("input that was set twice is a misuse", () => {
  assertInstanceOf(new Command("cat").stdin("a").stdin("b").error, UsageError);
});

const MISUSES: Record<string, unknown> = {
  "a negative descriptor": -1,
  "a descriptor that is no whole number": 1.5,
  "an empty path": { file: "" },
  "a path with a NUL byte": { file: "a\0" },
  "a number in an object": { file: 7 },
  "nothing": undefined,
  "null itself": null,
  "a plain object": {},
  "a function": () => "text",
};

for (const [what, input] of Object.entries(MISUSES)) {
  conform(`${what} is no input: a misuse`, () => {
    assertInstanceOf(new Command("cat").stdin(input as Input).error, UsageError);
  });
}

conform("a prepared shell can hand its own input on through a runtime", async () => {
  const cmd = preparedProgram("exec </etc/passwd", programArgv("inherit", "stdin"));
  const { stdout } = await cmd.run();
  assert(stdout.includes("root:"));
});
