import { assert, assertEquals, assertThrows } from "@std/assert";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Command, ExitError, UsageError } from "../../mod.ts";
import { failure, thrown } from "../support/failures.ts";
import { conform } from "../support/harness.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

type Input = Parameters<Command["stdin"]>[0];

const FORMS: Record<string, () => Input> = {
  "text": () => "one two",
  "bytes": () => bytes("one two"),
  "an array": () => ["one ", bytes("two")],
  "a generator": () =>
    function* () {
      yield "one ";
      yield "two";
    }(),
};

for (const [what, make] of Object.entries(FORMS)) {
  conform(`runSync takes ${what} for standard input`, () => {
    assertEquals(new Command("cat").stdin(make()).runSync().stdout, "one two");
  });
}

conform("runSync takes a file for standard input", ({ folder }) => {
  const path = join(folder(), "input");
  writeFileSync(path, "from a file");
  assertEquals(new Command("cat").stdin({ file: path }).runSync().stdout, "from a file");
});

conform("runSync gives no input if nothing was said", () => {
  assertEquals(new Command("cat").runSync().stdout, "");
  assertEquals(new Command("cat").stdin("null").runSync().stdout, "");
});

conform("runSync feeds and gathers at the same time, whatever the sizes", () => {
  const big = Uint8Array.from({ length: 3_000_000 }, (_, i) => i % 251);
  const result = new Command("sh", "-c", "tee /dev/stderr").stdin(big).runSync();
  assertEquals(result.stdoutBytes, big);
  assertEquals(result.stderrBytes, big);
});

conform("runSync does not mind a program that does not read", () => {
  const big = new Uint8Array(1_000_000);
  assert(new Command("true").stdin(big).runSync().status.success);
  assertEquals(new Command("head", "-c", 1).stdin("x".repeat(1_000_000)).runSync().stdout, "x");
});

conform("runSync does not mind a program that closes its outputs and goes on", () => {
  const result = new Command("sh", "-c", "echo out; exec >&- 2>&-; sleep 0.1; exit 3")
    .runSync({ check: false });
  assertEquals([result.code, result.stdout], [3, "out\n"]);
});

conform("runSync throws, and does not return a promise", () => {
  assertThrows(() => new Command("false").runSync(), ExitError);
});

conform("runSync blocks: nothing else happens meanwhile", async () => {
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  try {
    new Command("sleep", 0.1).runSync();
    assertEquals(ticks, 0);
    await Promise.resolve();
    assertEquals(ticks, 0);
  } finally {
    clearInterval(timer);
  }
});

conform("runSync passes on what a source of input throws, and starts nothing", () => {
  const failing = function* () {
    yield "half";
    throw new RangeError("no more");
  };
  assertThrows(() => new Command("cat").stdin(failing()).runSync(), RangeError, "no more");
});

conform("runSync takes no asynchronous source, no stream and no pipe", async () => {
  async function* later(): AsyncGenerator<string> {
    yield await Promise.resolve("x");
  }
  const cmds = [
    new Command("cat").stdin(later()),
    new Command("cat").stdin(new ReadableStream<string>()),
    new Command("cat").stdin("pipe"),
    new Command("cat").stdout("pipe"),
    new Command("cat").stdout(new WritableStream()),
    new Command("cat").stderr(new WritableStream()),
  ];
  for (const cmd of cmds) await failure(UsageError, () => cmd.runSync());
});

conform(
  "a piece of input that is neither text nor bytes is a UsageError with runSync too",
  async () => {
    const error = await thrown(() =>
      new Command("cat").stdin([7] as unknown as string[]).runSync()
    );
    assert(error instanceof UsageError);
  },
);

conform("a hundred runs of runSync, one after the other, are all right", () => {
  for (let i = 0; i < 100; i++) {
    assertEquals(new Command("echo", i).runSync().stdout, `${i}\n`);
  }
});
