import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  AbortError,
  Command,
  dryRun,
  MaxBufferError,
  type RunOptions,
  TimeoutError,
  UsageError,
} from "../../mod.ts";
import { failure } from "../support/failures.ts";
import { conform, type Context, killHard, until } from "../support/harness.ts";

/** The ways of reading standard output piece by piece; each gives what was read. */
const READERS: Readonly<
  Record<string, { end: string; read: (cmd: Command, options?: RunOptions) => Promise<string[]> }>
> = {
  lines: {
    end: "\\n",
    async read(cmd, options) {
      const all: string[] = [];
      for await (const line of cmd.lines(options)) all.push(line);
      return all;
    },
  },
  runRegex: {
    end: "\\n",
    async read(cmd, options) {
      const all: string[] = [];
      await cmd.runRegex(/^(.*)$/, ([line = ""]) => void all.push(line), options);
      return all;
    },
  },
  runNul: {
    end: "\\000",
    async read(cmd, options) {
      const all: string[] = [];
      await cmd.runNul(1, ([value = ""]) => void all.push(value), options);
      return all;
    },
  },
};

const sh = (script: string, ...args: string[]) => new Command("sh", "-c", script, ...args);

/** Has what a script has left behind killed, whose pid is in a file. */
function endLater({ defer }: Context, file: string): void {
  defer(async () => {
    const pid = await new Command("cat", file).run({ check: false });
    if (pid.stdout !== "") killHard(Number(pid.stdout));
  });
}

for (const [name, { end, read }] of Object.entries(READERS)) {
  conform(`${name}: maxBuffer bounds one piece, and not all of them`, async () => {
    const cmd = sh(`for i in 1 2 3 4 5; do printf 'abcdefgh${end}'; done`);
    assertEquals((await read(cmd, { maxBuffer: 8 })).length, 5);
    const error = await failure(MaxBufferError, () => read(cmd, { maxBuffer: 7 }));
    assertStringIncludes(error.message, "7 bytes");
  });

  conform(`${name}: a piece without an end is bounded as well, in bytes`, async () => {
    assertEquals(await read(sh("printf 'üü'"), { maxBuffer: 4 }), ["üü"]);
    await failure(MaxBufferError, () => read(sh("printf 'üü'"), { maxBuffer: 3 }));
    // It would go on for ever.
    const endless = new Command("tr", "\\0", "a").stdin({ file: "/dev/zero" });
    const error = await failure(MaxBufferError, () => read(endless, { maxBuffer: 100_000 }));
    assert(error.result.status.signal !== null);
  });

  conform(`${name}: the pieces before one that is too long arrive`, async () => {
    const seen: string[] = [];
    const cmd = sh(`printf 'a${end}bb${end}ccc${end}dddd${end}'; exec sleep 1000`);
    await failure(MaxBufferError, async () => {
      if (name === "lines") {
        for await (const line of cmd.lines({ maxBuffer: 3 })) seen.push(line);
      } else if (name === "runNul") {
        await cmd.runNul(1, ([value = ""]) => void seen.push(value), { maxBuffer: 3 });
      } else {
        await cmd.runRegex(/(.*)/, ([line = ""]) => void seen.push(line), { maxBuffer: 3 });
      }
    });
    assertEquals(seen, ["a", "bb", "ccc"]);
  });

  conform(`${name}: a descendant that floods the output does not make it hang`, async (t) => {
    const file = join(t.folder(), "pid");
    endLater(t, file);
    const flood = `while :; do printf 'xxxxxxxxxxxxxxxx${end}'; done & echo $! >"$0"`;
    const all = await read(sh(flood, file), { drain: 30 });
    assert(all.every((each) => each === "x".repeat(16) || each === all.at(-1)));
  });

  conform(`${name}: the time limit holds although a descendant floods the output`, async (t) => {
    const file = join(t.folder(), "pid");
    endLater(t, file);
    const flood = `while :; do printf 'xxxxxxxxxxxxxxxx${end}'; done & echo $! >"$0"; wait`;
    const options = { timeout: 150, grace: 50, drain: 30 };
    const error = await failure(TimeoutError, () => read(sh(flood, file), options));
    assertEquals(error.result.drained, false);
  });

  conform(`${name}: the time limit ends the wait for a descendant, too`, async (t) => {
    const file = join(t.folder(), "pid");
    endLater(t, file);
    const cmd = sh('sleep 1000 & echo $! >"$0"', file);
    const error = await failure(TimeoutError, () => read(cmd, { timeout: 200, drain: Infinity }));
    assertEquals([error.code, error.result.timedOut, error.result.drained], [0, true, false]);
  });

  conform(`${name}: a signal ends the wait for a descendant, too`, async (t) => {
    const file = join(t.folder(), "pid");
    endLater(t, file);
    const controller = new AbortController();
    const cmd = sh('sleep 1000 & echo $! >"$0"', file);
    const reading = failure(
      AbortError,
      () => read(cmd, { signal: controller.signal, drain: Infinity }),
    );
    await until("the program has ended", () => existsSync(file));
    controller.abort();
    await reading;
  });

  conform(`${name}: where standard output was sent elsewhere, nothing is started`, async (t) => {
    const folder = t.folder();
    const [touched, file] = [join(folder, "touched"), join(folder, "file")];
    for (const form of ["null", "inherit", "pipe", 1, { file }, new WritableStream()] as const) {
      const cmd = () => new Command("touch", touched).stdout(form);
      const error = await failure(UsageError, () => read(cmd()));
      if (form !== "pipe") assertStringIncludes(error.message, name);
      await dryRun(() => ({}), () => failure(UsageError, () => read(cmd())));
    }
    await failure(UsageError, () => read(new Command("touch", touched).daemonize()));
    assert(!existsSync(touched));
    assertEquals(await read(sh(`printf 'x${end}'`).stdout("capture")), ["x"]);
  });
}

conform("who reads a piped output to its end does not wait for a descendant", async (t) => {
  const file = join(t.folder(), "pid");
  endLater(t, file);
  const child = await sh('sleep 1000 & echo $! >"$0"; echo out', file)
    .stdout("pipe").spawn({ drain: 300 });
  assertEquals(await new Response(child.stdout).text(), "out\n");
  await child.wait();
});

conform("a piped output that is read late is there, however small drain is", async () => {
  const child = await new Command("seq", 1, 20_000).stdout("pipe").spawn({ drain: 0 });
  await until("the program waits for its reader, or has ended", () => true);
  await new Promise((resolve) => setTimeout(resolve, 100));
  assertEquals((await new Response(child.stdout).text()).split("\n").length, 20_001);
  await child.wait();
});

conform("runRegex takes expressions only", async () => {
  const wrong = ["x", 7, null, [/x/, "y"]] as unknown as RegExp[];
  for (const each of wrong) {
    await failure(UsageError, () => new Command("true").runRegex(each, () => {}));
  }
});
