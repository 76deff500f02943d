import { assert, assertEquals } from "@std/assert";
import { Command, type Result, type RunOptions } from "../../mod.ts";
import { conform, type Context, killHard } from "../support/harness.ts";

/** Leaves a descendant behind that holds the pipes; the first line is its pid. */
const LEAVES_ONE = "sleep 1000 & echo $!; echo out; echo err >&2";

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
    assert(result.durationMs >= 59 && result.durationMs < 10_000, `${result.durationMs} ms`);
  });

  conform(`${way}: by default it waits a second for such a descendant`, async (t) => {
    const result = await start(new Command("sh", "-c", LEAVES_ONE));
    endDescendant(t, result);
    assert(!result.drained);
    assert(result.durationMs >= 990 && result.durationMs < 10_000, `${result.durationMs} ms`);
  });

  conform(`${way}: what such a descendant writes within that time is there`, async () => {
    const result = await start(new Command("sh", "-c", "(sleep 0.1; echo late) & echo soon"));
    assertEquals([result.drained, result.stdout], [true, "soon\nlate\n"]);
  });

  conform(`${way}: each byte that arrives starts that time anew`, async () => {
    const script = "(for i in 1 2 3; do sleep 0.15; echo $i; done) & echo 0";
    const result = await start(new Command("sh", "-c", script), { drain: 250 });
    assertEquals([result.drained, result.stdout], [true, "0\n1\n2\n3\n"]);
  });

  conform(`${way}: a descendant that chatters on and on does not make it hang`, async (t) => {
    const script = "(while :; do echo x; sleep 0.01; done) & echo $!";
    const result = await start(new Command("sh", "-c", script), { drain: 100 });
    endDescendant(t, result);
    assert(!result.drained);
    assert(result.durationMs >= 99 && result.durationMs < 10_000, `${result.durationMs} ms`);
  });

  conform(`${way}: drain 0 loses nothing of what the program itself has written`, async (t) => {
    for (const size of [10, 50_000, 3_000_000]) {
      const script =
        `sleep 1000 & echo $!; head -c ${size} /dev/zero; head -c ${size} /dev/zero >&2`;
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
      const script = "sleep 1000 >/dev/null 2>&1 & echo $!";
      const result = await start(new Command("sh", "-c", script));
      endDescendant(t, result);
      assert(result.drained);
      assert(result.durationMs < 900);
    },
  );

  conform(`${way}: a descendant that holds only standard error counts too`, async (t) => {
    const script = "sleep 1000 >/dev/null & echo $!";
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
