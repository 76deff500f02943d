import { assert, assertEquals } from "@std/assert";
import { Command, StateError, TimeoutError } from "../../mod.ts";
import { endDaemon } from "../support/daemons.ts";
import { failure } from "../support/failures.ts";
import { conform, type Context, isRunning, pause } from "../support/harness.ts";
import { AFTER_END, withLimit } from "../support/patience.ts";

/** A program that leaves a descendant behind, which holds its outputs; says the descendant's pid. */
const HOLDER = ["sh", "-c", "sleep 60 & echo $!"];

function endPid({ defer }: Context, pid: number): void {
  defer(() => endDaemon(pid));
}

/** A sink that takes longer than `drain` for each piece and for its end, and what it has got. */
function slowSink(
  wanted: number,
): { sink: WritableStream<Uint8Array>; got: () => [number, boolean] } {
  let [bytes, closed] = [0, false];
  const sink = new WritableStream<Uint8Array>({
    async write(chunk) {
      await pause(30);
      bytes += chunk.length;
    },
    async close() {
      await pause(30);
      closed = true;
    },
  }, { highWaterMark: wanted });
  return { sink, got: () => [bytes, closed] };
}

for (const wanted of [0, 1, 16]) {
  conform(
    `a slow stream that wants ${wanted} pieces ahead gets everything, and its end`,
    async () => {
      const { sink, got } = slowSink(wanted);
      const cmd = new Command("head", "-c", 150_000, "/dev/zero").stdout(sink);
      const { drained } = await cmd.run({ drain: 10 });
      assertEquals([got(), drained], [[150_000, true], true]);
    },
  );
}

conform("a slow stream does not wait for a descendant that goes on and on", async (t) => {
  let first = "";
  const decoder = new TextDecoder();
  const sink = new WritableStream<Uint8Array>({
    async write(chunk) {
      if (!first.includes("\n")) first += decoder.decode(chunk);
      await pause(1);
    },
  });
  const chatter = `(ulimit -t 10; ${AFTER_END}; while :; do echo x; done) & echo $!`;
  const { drained } = await new Command("sh", "-c", chatter).stdout(sink).run({ drain: 20 });
  for (const pid of /\d+/.exec(first) ?? []) endPid(t, Number(pid));
  assertEquals(drained, false);
});

conform("a locked stream for output is a StateError, and nothing is started", async (t) => {
  const sink = new WritableStream<Uint8Array>();
  sink.getWriter();
  const touched = `${t.folder()}/touched`;
  for (
    const cmd of [
      new Command("touch", touched).stdout(sink),
      new Command("touch", touched).stderr(sink),
    ]
  ) {
    await failure(StateError, () => cmd.run());
    await failure(StateError, () => cmd.spawn());
  }
  assertEquals(await new Command("ls", t.folder()).text(), "");
});

conform("a locked stream for input is a StateError, and no process is left", async () => {
  const input = new ReadableStream<Uint8Array>();
  input.getReader();
  await failure(StateError, () => new Command("sleep", 1000).stdin(input).run());
});

conform("what an iterable throws when it is asked for its pieces ends the program", async () => {
  const input: Iterable<string> = {
    [Symbol.iterator]() {
      throw new RangeError("no pieces");
    },
  };
  const sink = new WritableStream<Uint8Array>();
  const cmd = new Command("sleep", 1000).stdin(input).stdout(sink);
  await failure(RangeError, () => cmd.run());
  assert(!sink.locked);
});

conform("a stream serves one of two runs at once, and the other is a StateError", async () => {
  let text = "";
  const decoder = new TextDecoder();
  const sink = new WritableStream<Uint8Array>({
    write: (chunk) => void (text += decoder.decode(chunk)),
  });
  const cmd = new Command("echo", "once").stdout(sink);
  const outcomes = await Promise.allSettled([cmd.run(), cmd.run()]);
  const reasons = outcomes.flatMap((each) => each.status === "rejected" ? [each.reason] : []);
  assertEquals(reasons.map((each) => each instanceof StateError), [true]);
  assertEquals(text, "once\n");
});

conform("lines end although a descendant holds the output", async (t) => {
  const seen: number[] = [];
  for await (const line of Command.from(HOLDER).lines({ drain: 50 })) seen.push(Number(line));
  for (const pid of seen) endPid(t, pid);
  assertEquals(seen.map(isRunning), [true]);
});

conform("runRegex says that a descendant holds the output", async (t) => {
  const matched = ([pid]: (string | undefined)[]) => endPid(t, Number(pid));
  const { drained } = await Command.from(HOLDER).runRegex(/(\d+)/, matched, { drain: 50 });
  assertEquals(drained, false);
});

conform("the time limit of lines holds although a descendant holds the output", async (t) => {
  const cmd = new Command("sh", "-c", "sleep 60 & echo $!; wait");
  const pids: number[] = [];
  const error = await withLimit((timeout) =>
    failure(TimeoutError, async () => {
      for await (const line of cmd.lines({ timeout, drain: 50 })) pids.push(Number(line));
    }), () => pids.length > 0);
  for (const pid of pids) endPid(t, pid);
  assert(error.result.timedOut);
});

conform("who takes long for a line loses none of them", async (t) => {
  const cmd = new Command("sh", "-c", "sleep 60 & echo $!; echo two; echo three");
  const seen: string[] = [];
  for await (const line of cmd.lines({ drain: 30 })) {
    if (seen.length === 0) endPid(t, Number(line));
    await pause(60);
    seen.push(line);
  }
  assertEquals(seen.slice(1), ["two", "three"]);
});

conform("who reads from a child that is disposed of is told of the end", async () => {
  const child = await new Command("sleep", 1000).stdout("pipe").stderr("pipe").spawn();
  const reads = [child.stdout, child.stderr].map((each) => each.getReader().read());
  await child[Symbol.asyncDispose]();
  assertEquals((await Promise.all(reads)).map(({ done }) => done), [true, true]);
  assertEquals(child.state, "closed");
});

conform("asking for the end again does not put it off", async (t) => {
  const stubborn = "trap '' TERM; echo; while :; do sleep 0.05; done";
  const child = await new Command("sh", "-c", stubborn).stdout("pipe").spawn();
  t.defer(() => child[Symbol.asyncDispose]());
  await child.stdout.getReader().read();
  const again = setInterval(() => child.abort({ grace: 200 }), 50);
  t.defer(() => clearInterval(again));
  assertEquals((await child.wait({ check: false })).signal, "SIGKILL");
});
