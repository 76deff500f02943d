import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  AbortError,
  backendInfo,
  Command,
  ExitError,
  MaxBufferError,
  type RunOptions,
  TimeoutError,
  UsageError,
} from "../../mod.ts";
import { failure, thrown, WAYS } from "../support/failures.ts";
import { conform, killHard, pause, until } from "../support/harness.ts";
import { AFTER_END, withLimit } from "../support/patience.ts";

const { driver } = backendInfo();

/** Ends by SIGKILL only: an ignored signal stays ignored through exec. */
const STUBBORN = "trap '' TERM INT HUP; echo ready; exec sleep 1000";

const sh = (script: string) => new Command("sh", "-c", script);

/** Runs in both ways in which something is waited for. */
const BOTH: Record<string, (cmd: Command, options: RunOptions) => unknown> = {
  run: (cmd, options) => cmd.run(options),
  runSync: (cmd, options) => cmd.runSync(options),
};

/**
 * The TimeoutError of a run whose program has written something before its time was up. Until the
 * parent knows that the program runs it is its start that is ended, by SIGKILL.
 */
function timedOut(
  start: (cmd: Command, options: RunOptions) => unknown,
  script: string,
  options: RunOptions = {},
  inTime: (error: TimeoutError) => boolean = ({ signal }) => signal !== "SIGKILL",
): Promise<TimeoutError> {
  return withLimit(
    (timeout) => failure(TimeoutError, () => start(sh(script), { ...options, timeout })),
    (error) => error.stdout.endsWith("\n") && inTime(error),
  );
}

for (const [way, start] of Object.entries(BOTH)) {
  conform(`${way}: a program that takes too long gets SIGTERM: a TimeoutError`, async () => {
    const error = await timedOut(start, "echo before; exec sleep 1000");
    assertEquals([error.signal, error.code, error.exitCode], ["SIGTERM", null, 143]);
    assertEquals([error.result.timedOut, error.stdout], [true, "before\n"]);
    assertMatch(error.message, /\b\d*00 ms/);
    assertStringIncludes(error.message, "sleep 1000");
    assert(error.result.durationMs >= 99, `${error.result.durationMs} ms`);
  });

  conform(`${way}: a program that ignores SIGTERM is killed after the grace`, async () => {
    const outlived = ({ result }: TimeoutError) => result.durationMs >= 199;
    const error = await timedOut(start, STUBBORN, { grace: 100 }, outlived);
    assertEquals([error.signal, error.stdout], ["SIGKILL", "ready\n"]);
    assert(error.result.durationMs >= 199, `${error.result.durationMs} ms`);
  });

  conform(`${way}: a program may end in its own way within the grace`, async () => {
    const script = "trap 'echo cleaned up; exit 7' TERM; echo ready; while :; do sleep 0.02; done";
    const error = await timedOut(start, script);
    assertEquals([error.code, error.stdout], [7, "ready\ncleaned up\n"]);
    assert(error.result.timedOut);
  });

  conform(`${way}: killSignal is what is sent first`, async () => {
    for (const [killSignal, expected] of [["SIGINT", "SIGINT"], [10, "SIGUSR1"]] as const) {
      const error = await timedOut(start, "echo; exec sleep 1000", { killSignal });
      assertEquals(error.signal, expected);
    }
  });

  conform(`${way}: with check: false, a timeout is told by the result`, async () => {
    const options = { timeout: 50, check: false };
    const result = await start(new Command("sleep", 1000), options) as { timedOut: boolean };
    assertEquals(result.timedOut, true);
  });

  conform(`${way}: a program that is in time is not disturbed`, async () => {
    const result = await start(new Command("echo", "x"), { timeout: 60_000 });
    assertEquals((result as { timedOut: boolean }).timedOut, false);
    await start(new Command("true"), { timeout: Infinity });
    await start(new Command("true"), { timeout: 2 ** 40 });
  });

  conform(`${way}: a timeout of 0 is no limit`, async () => {
    for (const argv of [["true"], ["sleep", "0.1"]]) {
      const result = await start(Command.from(argv), { timeout: 0 });
      assertEquals((result as { timedOut: boolean }).timedOut, false);
    }
  });

  conform(`${way}: a timeout while a descendant holds the pipe does not hang`, async () => {
    const script = "sleep 60 & echo $!; wait";
    const error = await timedOut(start, script, { drain: 50 });
    killHard(Number(error.stdout));
    assertEquals([error.signal, error.result.drained], ["SIGTERM", false]);
  });

  conform(`${way}: too much output is a MaxBufferError, and the program is killed`, async () => {
    for (const script of ["exec yes", "exec yes >&2"]) {
      const error = await failure(MaxBufferError, () => start(sh(script), { maxBuffer: 1000 }));
      assert(error.result.status.signal !== null);
      assertEquals(error.stdout.length + error.stderr.length, 1000);
      assertStringIncludes(error.message, "1000");
      assertStringIncludes(error.message, script.endsWith("2") ? "stderr" : "stdout");
    }
  });

  conform(`${way}: exactly maxBuffer bytes are not too many`, async () => {
    const cmd = new Command("head", "-c", 1000, "/dev/zero");
    const result = await start(cmd, { maxBuffer: 1000 }) as { stdoutBytes: Uint8Array };
    assertEquals(result.stdoutBytes.length, 1000);
    await failure(MaxBufferError, () => start(cmd, { maxBuffer: 999 }));
    await start(new Command("true"), { maxBuffer: 0 });
  });

  conform(`${way}: too much output is too much after the program's end as well`, async () => {
    const late = sh(`(${AFTER_END}; head -c 2000 /dev/zero) & exit 0`);
    const options = { maxBuffer: 1000, drain: 20_000 };
    const error = await failure(MaxBufferError, () => start(late, options));
    assertEquals(error.result.stdoutBytes.length, 1000);
    // The launcher's supervisor is ended with the output that it brings, and may not have seen it.
    if (way !== "runSync" || driver !== "launcher") assertEquals(error.code, 0);
    for (let i = 0; i < 10; i++) {
      const cmd = new Command("head", "-c", 1000, "/dev/zero");
      await failure(MaxBufferError, () => start(cmd, { maxBuffer: 999 }));
    }
  });

  conform(`${way}: a program that ignores SIGTERM does not outlive too much output`, async () => {
    const options = { maxBuffer: 10, grace: 50 };
    const script =
      "trap '' TERM PIPE; while :; do echo xxxxxxxxxxxxxxxx; sleep 0.01; done 2>/dev/null";
    const error = await failure(MaxBufferError, () => start(sh(script), options));
    assertEquals(error.signal, "SIGKILL");
  });
}

conform("a signal that has fired already: nothing is started", async ({ folder }) => {
  const path = join(folder(), "touched");
  const reason = new RangeError("too late");
  for (const way of ["run", "spawn"]) {
    const cmd = new Command("touch", path);
    const signal = AbortSignal.abort(reason);
    const error = await failure(AbortError, () => WAYS[way]?.(cmd, { signal }));
    assertEquals([error.cause, error.result], [reason, undefined]);
    assertEquals(error.command, `touch ${path}`);
  }
  assert(!existsSync(path));
});

conform("a signal that fires ends the program: an AbortError with its reason", async (t) => {
  const reason = new RangeError("enough");
  // Soon after the program has written, its parent knows that it runs.
  const error = await withLimit(
    async (soon) => {
      const ready = join(t.folder(), "ready");
      const controller = new AbortController();
      const cmd = sh('echo out; : >"$0"; exec sleep 1000').arg(ready);
      const running = failure(AbortError, () => cmd.run({ signal: controller.signal }));
      await until("the program has written", () => existsSync(ready));
      await pause(soon);
      controller.abort(reason);
      return await running;
    },
    ({ result }) => result?.signal !== "SIGKILL",
    5,
  );
  assertEquals([error.cause, error.result?.signal], [reason, "SIGTERM"]);
  assertEquals([error.result?.stdout, error.result?.timedOut], ["out\n", false]);
});

conform(
  "an abort escalates: a program that ignores SIGTERM is killed after the grace",
  async () => {
    const child = await sh(STUBBORN).stdout("pipe").spawn({ grace: 80 });
    const reader = child.stdout.getReader();
    await reader.read();
    await reader.cancel();
    const controller = new AbortController();
    const waiting = thrown(() => child.wait({ signal: controller.signal }));
    const since = performance.now();
    controller.abort();
    const error = await waiting;
    assertInstanceOf(error, AbortError);
    assertEquals(error.result?.signal, "SIGKILL");
    assert(performance.now() - since >= 79);
  },
);

conform("a signal that was given to spawn ends the child", async () => {
  const controller = new AbortController();
  const child = await new Command("sleep", 1000).spawn({ signal: controller.signal });
  controller.abort();
  await failure(AbortError, () => child.wait());
  assertEquals(child.kill(), false);
});

conform("a timeout that was given to spawn ends the child", async () => {
  const child = await new Command("sleep", 1000).spawn({ timeout: 50 });
  const error = await failure(TimeoutError, () => child.wait());
  assert(error.result.timedOut);
});

conform("a timeout that is given to wait counts from there", async () => {
  const child = await new Command("sleep", 1000).spawn();
  const error = await failure(TimeoutError, () => child.wait({ timeout: 50 }));
  assertEquals(error.signal, "SIGTERM");
});

conform("a signal that fires after the end changes nothing", async () => {
  const controller = new AbortController();
  const result = await new Command("echo", "x").run({ signal: controller.signal });
  controller.abort();
  assertEquals(result.stdout, "x\n");
});

conform("a signal can serve many runs, and no listener stays behind", async () => {
  let listeners = 0;
  const { signal } = new AbortController();
  const [add, remove] = [
    signal.addEventListener.bind(signal),
    signal.removeEventListener.bind(signal),
  ];
  signal.addEventListener = (...args: Parameters<typeof add>) => (listeners++, add(...args));
  signal.removeEventListener = (
    ...args: Parameters<typeof remove>
  ) => (listeners--, remove(...args));
  for (let i = 0; i < 5; i++) await new Command("true").run({ signal });
  await failure(ExitError, () => new Command("false").run({ signal }));
  await until("all listeners are removed", () => listeners === 0);
});

conform("an AbortSignal needs the event loop: not with runSync", async () => {
  const { signal } = new AbortController();
  await failure(UsageError, () => new Command("true").runSync({ signal }));
});

conform("of two reasons to kill, the first one counts", async () => {
  const stubborn = async () => {
    const child = await sh(STUBBORN).stdout("pipe").spawn({ grace: 200 });
    const reader = child.stdout.getReader();
    await reader.read();
    await reader.cancel();
    return child;
  };
  const aborted = await stubborn();
  const controller = new AbortController();
  const waiting = thrown(() => aborted.wait({ signal: controller.signal, timeout: 50 }));
  controller.abort();
  // The time is up during the grace.
  assertInstanceOf(await waiting, AbortError);
  const late = await stubborn();
  const other = new AbortController();
  late.wait({ timeout: 1, check: false }).then(() => other.abort());
  const error = await thrown(() => late.wait({ signal: other.signal }));
  assertInstanceOf(error, TimeoutError);
  assertEquals(error.signal, "SIGKILL");
});

conform(
  "a signal that fires at any moment of a start is an AbortError, and no failure",
  async () => {
    for (let ms = 0; ms < 12; ms++) {
      for (const turns of [0, 1, 3, 10]) {
        const controller = new AbortController();
        const cmd = new Command("sleep", 1000).stdout("capture").stderr("capture");
        const run = cmd.run({ signal: controller.signal });
        const failed = failure(AbortError, () => run);
        if (ms > 0) await pause(ms);
        for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
        controller.abort();
        await failed;
      }
    }
  },
);
