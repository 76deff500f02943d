import { assert, assertEquals } from "@std/assert";
import { MIN_DRAIN_MS } from "../../core/timing.ts";
import { Command, type Result, type RunOptions } from "../../mod.ts";
import { conform, type Context, isRunning, killHard } from "../support/harness.ts";
import { AFTER_END } from "../support/patience.ts";

/**
 * Leaves a descendant behind that holds the pipes; the first line is its pid. It ends some time by
 * itself, so that waiting for it shows as output that was drained.
 */
const LEAVES_ONE = "sleep 60 & echo $!; echo out; echo err >&2";

const BOTH: Record<string, (cmd: Command, options?: RunOptions) => Promise<Result>> = {
  run: (cmd, options) => cmd.run(options),
  runSync: (cmd, options) => Promise.resolve(cmd.runSync(options)),
};

/** Has the descendant, whose pid is the first line, killed when the test is over. */
function endDescendant({ defer }: Context, { stdout }: Result): void {
  defer(() => killHard(parseInt(stdout)));
}

for (const [way, start] of Object.entries(BOTH)) {
  conform(`${way}: a descendant that keeps the pipes open does not make it hang`, async (t) => {
    const result = await start(new Command("sh", "-c", LEAVES_ONE), { drain: 60 });
    endDescendant(t, result);
    assertEquals([result.drained, result.code, result.stderr], [false, 0, "err\n"]);
    assertEquals(result.stdout.split("\n").slice(1), ["out", ""]);
    assert(isRunning(parseInt(result.stdout)), "it was waited for");
    assert(result.durationMs >= 59, `${result.durationMs} ms`);
  });

  conform(`${way}: by default it waits a second for such a descendant`, async (t) => {
    const result = await start(new Command("sh", "-c", LEAVES_ONE));
    endDescendant(t, result);
    assert(!result.drained);
    assert(result.durationMs >= 990, `${result.durationMs} ms`);
  });

  conform(`${way}: what such a descendant writes within that time is there`, async () => {
    const script = `(${AFTER_END}; echo late) & echo soon`;
    const result = await start(new Command("sh", "-c", script));
    assertEquals([result.drained, result.stdout], [true, "soon\nlate\n"]);
  });

  conform(`${way}: each byte that arrives starts that time again`, async () => {
    // Three times together they are longer than the time, and each is much shorter.
    const script = `(${AFTER_END}; for i in 1 2 3; do sleep 0.4; echo $i; done) & echo 0`;
    const result = await start(new Command("sh", "-c", script), { drain: 1000 });
    assertEquals([result.drained, result.stdout], [true, "0\n1\n2\n3\n"]);
  });

  conform(`${way}: a descendant that chatters on and on does not make it hang`, async (t) => {
    // It is never silent as long as that, and would end by its limit of processor time alone.
    const script = `(ulimit -t 10; ${AFTER_END}; while :; do echo x; done) & echo $!`;
    const result = await start(new Command("sh", "-c", script), { drain: 250 });
    endDescendant(t, result);
    assert(!result.drained);
    assert(result.durationMs >= 249, `${result.durationMs} ms`);
  });

  conform(`${way}: drain 0 loses nothing of what the program itself has written`, async (t) => {
    for (const size of [10, 50_000, 3_000_000]) {
      const script = `sleep 60 & echo $!; head -c ${size} /dev/zero; head -c ${size} /dev/zero >&2`;
      const result = await start(new Command("sh", "-c", script), { drain: 0 });
      endDescendant(t, result);
      assertEquals(result.stdoutBytes.length - result.stdout.indexOf("\n") - 1, size);
      assertEquals(result.stderrBytes.length, size);
      assert(!result.drained);
    }
  });

  conform(`${way}: a program whose pipes end with it is drained, even with drain 0`, async () => {
    const cmd = new Command("head", "-c", 3_000_000, "/dev/zero");
    const result = await start(cmd, { drain: 0 });
    assertEquals([result.drained, result.stdoutBytes.length], [true, 3_000_000]);
  });

  conform(
    `${way}: a descendant that holds nothing that is captured is nobody's concern`,
    async (t) => {
      const script = "sleep 60 >/dev/null 2>&1 & echo $!";
      const result = await start(new Command("sh", "-c", script), { drain: 120_000 });
      endDescendant(t, result);
      assert(result.drained);
      assert(isRunning(parseInt(result.stdout)), "it was waited for");
    },
  );

  conform(`${way}: a descendant that holds only standard error counts too`, async (t) => {
    const script = "sleep 60 >/dev/null & echo $!";
    const result = await start(new Command("sh", "-c", script), { drain: 60 });
    endDescendant(t, result);
    assert(!result.drained);
  });
}

conform("a WritableStream is closed although a descendant holds the pipe", async ({ defer }) => {
  let text = "";
  let closed = false;
  const stream = new WritableStream<Uint8Array>({
    write: (chunk) => void (text += new TextDecoder().decode(chunk)),
    close: () => void (closed = true),
  });
  const result = await new Command("sh", "-c", LEAVES_ONE).stdout(stream).run({ drain: 60 });
  defer(() => killHard(parseInt(text)));
  assertEquals([result.drained, closed, text.endsWith("\nout\n")], [false, true, true]);
});

conform("an output is taken to its end although the event loop is busy all the time", async (t) => {
  // Longer than an output that keeps coming is waited for with drain 0.
  const busy = setInterval(() => {
    const until = performance.now() + MIN_DRAIN_MS + 10;
    while (performance.now() < until);
  }, 0);
  t.defer(() => clearInterval(busy));
  const script = "sleep 0.05; head -c 60000 /dev/zero; head -c 60000 /dev/zero >&2";
  for (let i = 0; i < 5; i++) {
    const result = await new Command("sh", "-c", script).run({ drain: 0 });
    const { drained, stdoutBytes, stderrBytes } = result;
    assertEquals([drained, stdoutBytes.length, stderrBytes.length], [true, 60_000, 60_000]);
  }
});
