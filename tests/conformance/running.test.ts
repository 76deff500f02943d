import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { assertStringIncludes } from "@std/assert";
import process from "node:process";
import {
  backendInfo,
  Command,
  CommandError,
  ExitError,
  Result,
  ResultError,
  run,
  runSync,
  UsageError,
} from "../../mod.ts";
import { failure } from "../support/failures.ts";
import { conform } from "../support/harness.ts";

const sh = (script: string) => new Command("sh", "-c", script);

conform("run waits for the end and tells everything about it", async () => {
  const result = await sh("echo out; echo err >&2").run();
  assertInstanceOf(result, Result);
  assertEquals(result.status, { success: true, code: 0, signal: null, raw: 0 });
  assertEquals([result.code, result.signal], [0, null]);
  assertEquals([result.stdout, result.stderr], ["out\n", "err\n"]);
  assertEquals([result.timedOut, result.drained], [false, true]);
  assertEquals(result.argv, ["sh", "-c", "echo out; echo err >&2"]);
  assertEquals(result.command, "sh -c 'echo out; echo err >&2'");
  assert(result.pid > 1);
  assert(result.durationMs > 0 && result.durationMs < 10_000);
  assert(!("daemonPid" in result) || result.daemonPid === undefined);
});

conform("runSync returns the same", () => {
  const result = sh("echo out; echo err >&2").runSync();
  assertInstanceOf(result, Result);
  assertEquals(result.status, { success: true, code: 0, signal: null, raw: 0 });
  assertEquals([result.stdout, result.stderr], ["out\n", "err\n"]);
  assertEquals([result.timedOut, result.drained], [false, true]);
  assertEquals(result.command, "sh -c 'echo out; echo err >&2'");
  assert(result.pid > 1 && result.durationMs > 0);
});

conform("the pid of the result is the one that the program had", async () => {
  const result = await sh("echo $$").run();
  assertEquals(result.stdout, `${result.pid}\n`);
  const sync = sh("echo $$").runSync();
  assertEquals(sync.stdout, `${sync.pid}\n`);
});

conform("the program is a child of this process", async () => {
  assertEquals(await sh("echo $PPID").text(), `${process.pid}\n`);
});

conform("usage tells the time on a processor, or that the runtime does not tell", async () => {
  const counting = sh("i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done");
  for (const { usage } of [await counting.run(), counting.runSync()]) {
    const { runtime, driver } = backendInfo();
    if (Number.isNaN(usage.userMs)) {
      // Of the runtimes' own spawners only Bun's knows.
      assert(driver !== "native" && runtime !== "bun", `${driver} on ${runtime}`);
      assert(Number.isNaN(usage.systemMs) && Number.isNaN(usage.maxRssBytes));
      continue;
    }
    assert(usage.userMs + usage.systemMs > 5, JSON.stringify(usage));
    assert(usage.userMs + usage.systemMs < 20_000, JSON.stringify(usage));
    // A number only if it is more than this process has had: see usage.test.ts.
    assert(!(usage.maxRssBytes < 100_000), JSON.stringify(usage));
  }
});

for (const code of [1, 2, 77, 126, 127, 255]) {
  conform(`exit status ${code} is an ExitError that carries the result`, async () => {
    const script = `echo out; echo err >&2; exit ${code}`;
    for (const start of [() => sh(script).run(), () => sh(script).runSync()]) {
      const error = await failure(ExitError, start);
      assertEquals([error.code, error.signal, error.exitCode], [code, null, code]);
      assertEquals([error.stdout, error.stderr], ["out\n", "err\n"]);
      const { status } = error.result;
      assertEquals(status, { success: false, code, signal: null, raw: code << 8 });
    }
  });
}

for (const [signal, number] of [["SIGTERM", 15], ["SIGKILL", 9], ["SIGHUP", 1]] as const) {
  conform(`a program that ${signal} ends is an ExitError that names the signal`, async () => {
    const script = `kill -${number} $$`;
    for (const start of [() => sh(script).run(), () => sh(script).runSync()]) {
      const error = await failure(ExitError, start);
      assertEquals([error.code, error.signal, error.exitCode], [null, signal, 128 + number]);
      const { status } = error.result;
      assertEquals([status.success, status.code, status.signal], [false, null, signal]);
      assertEquals(status.raw & 0x7f, number);
      assertStringIncludes(error.message, signal);
    }
  });
}

conform(
  "the message of an ExitError has status, command and the end of standard error",
  async () => {
    const error = await failure(ExitError, () => sh("echo the reason >&2; exit 3").run());
    assertInstanceOf(error, ResultError);
    assertInstanceOf(error, CommandError);
    assertEquals(error.name, "ExitError");
    const [line = ""] = error.message.split("\n");
    assertStringIncludes(line, "3");
    assertStringIncludes(line, "sh -c");
    assertStringIncludes(error.message, "the reason");
  },
);

conform("a long standard error does not make a long message, but is kept whole", async () => {
  const error = await failure(
    ExitError,
    () => sh("head -c 100000 /dev/zero | tr '\\0' x >&2; echo the end >&2; exit 1").run(),
  );
  assert(error.message.length < 5000);
  assertStringIncludes(error.message, "the end");
  assertEquals(error.stderr.length, 100_008);
});

conform("check: false returns whatever the status", async () => {
  for (
    const result of [
      await sh("exit 3").run({ check: false }),
      sh("exit 3").runSync({ check: false }),
    ]
  ) {
    assertEquals([result.code, result.status.success], [3, false]);
  }
  const killed = await sh("kill -9 $$").run({ check: false });
  assertEquals([killed.code, killed.signal], [null, "SIGKILL"]);
});

conform("okCodes says which exit codes are fine", async () => {
  assertEquals((await sh("exit 1").run({ okCodes: [0, 1] })).code, 1);
  assertEquals((await sh("exit 0").run({ okCodes: [0, 1] })).code, 0);
  assertEquals(sh("exit 1").runSync({ okCodes: [0, 1] }).code, 1);
  await assertRejects(() => sh("exit 2").run({ okCodes: [0, 1] }), ExitError);
  await assertRejects(() => sh("kill $$").run({ okCodes: [0, 143] }), ExitError);
});

conform("text, bytes and json give standard output", async () => {
  assertEquals(await sh("printf 'a\\n\\n'").text(), "a\n\n");
  assertEquals(await sh("printf 'a\\001'").bytes(), new Uint8Array([97, 1]));
  assertEquals(await sh("echo '{\"a\": [1, 2]}'").json(), { a: [1, 2] });
  assertEquals(await sh("exit 3").text({ check: false }), "");
});

conform("text, bytes and json fail as run does", async () => {
  await assertRejects(() => sh("exit 3").text(), ExitError);
  await assertRejects(() => sh("exit 3").bytes(), ExitError);
  await assertRejects(() => sh("exit 3").json(), ExitError);
  const error = await failure(ResultError, () => sh("echo no json").json());
  assertInstanceOf(error.cause, SyntaxError);
});

conform("run and runSync take an argument list and options", async () => {
  assertEquals((await run(["sh", "-c", "exit 4"], { check: false })).code, 4);
  assertEquals(runSync(["sh", "-c", "exit 4"], { okCodes: [4] }).code, 4);
  await assertRejects(() => run(["sh", "-c", "exit 4"]), ExitError);
});

conform("binary output is kept as it is", async () => {
  const all = Uint8Array.from({ length: 256 }, (_, i) => i);
  const result = await new Command("cat").stdin(all).run();
  assertEquals(result.stdoutBytes, all);
  assertEquals(new Command("cat").stdin(all).runSync().stdoutBytes, all);
});

conform("output that is no UTF-8 becomes replacement characters, and a mark is kept", async () => {
  const invalid = await sh("printf 'a\\377b'").run();
  assertEquals(invalid.stdout, "a\ufffdb");
  const marked = await sh("printf '\\357\\273\\277a'").run();
  assertEquals(marked.stdout, "\ufeffa");
});

conform("output is decoded once and stays the same", async () => {
  const result = await sh("echo out").run();
  assertEquals(result.stdout, result.stdout);
  assertEquals(result.stdoutBytes, new TextEncoder().encode("out\n"));
});

conform("a hundred children at once are no problem", async () => {
  const results = await Promise.all(
    Array.from({ length: 100 }, (_, i) =>
      sh(`read x; echo "$x ${i}"; exit ${i % 3}`)
        .stdin(`in ${i}\n`).run({ check: false })),
  );
  results.forEach((result, i) => {
    assertEquals([result.stdout, result.code], [`in ${i} ${i}\n`, i % 3]);
  });
  assertEquals(new Set(results.map((result) => result.pid)).size, 100);
});

conform("one command can run many times at once", async () => {
  const cmd = new Command("cat").stdin("the same");
  const results = await Promise.all(Array.from({ length: 20 }, () => cmd.run()));
  assertEquals(new Set(results.map((each) => each.stdout)), new Set(["the same"]));
});

conform("runSync works while other children run", async ({ defer }) => {
  const child = await new Command("cat").stdin("pipe").stdout("capture").spawn();
  defer(() => child[Symbol.asyncDispose]());
  assertEquals(new Command("echo", "meanwhile").runSync().stdout, "meanwhile\n");
  const writer = child.stdin.getWriter();
  await writer.write("still there");
  await writer.close();
  assertEquals((await child.wait()).stdout, "still there");
});

const WRONG_OPTIONS: Record<string, Record<string, unknown>> = {
  "a negative timeout": { timeout: -1 },
  "a timeout that is no number": { timeout: "1s" },
  "a timeout that is NaN": { timeout: NaN },
  "a negative grace": { grace: -1 },
  "a negative drain": { drain: -1 },
  "a negative maxBuffer": { maxBuffer: -1 },
  "a signal that is none": { killSignal: "SIGNOTHING" },
  "signal 0 to kill": { killSignal: 0 },
  "something else than an AbortSignal": { signal: {} },
  "exit codes that are none": { okCodes: [256] },
  "an exit code that is no list": { okCodes: 0 },
};

for (const [what, options] of Object.entries(WRONG_OPTIONS)) {
  conform(`${what} among the options is a UsageError, and nothing runs`, async () => {
    await failure(UsageError, () => new Command("true").run(options));
    await failure(UsageError, () => new Command("true").runSync(options));
    await failure(UsageError, () => new Command("true").spawn(options));
  });
}

conform("backendInfo tells which runtime and which driver serve", () => {
  const info = backendInfo();
  const runtime = "Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : "node";
  assertEquals([info.runtime, info.os], [runtime, process.platform]);
  assert(["native", "launcher", "portable"].includes(info.driver));
  assert(["x86_64", "aarch64"].includes(info.arch));
  assert(info.version !== "" && info.reason !== "");
});
