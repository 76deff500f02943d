import { assert, assertEquals, assertRejects } from "@std/assert";
import { test } from "node:test";
import type { Receiver, Sink, Source } from "../../core/backend.ts";
import { pumpBytes, pumpStream } from "../../core/run/input_pump.ts";
import { capture, pumpTo } from "../../core/run/sinks.ts";
import { readableFrom, writableTo } from "../../core/run/web_streams.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (chunk: Uint8Array | undefined) => new TextDecoder().decode(chunk);

/** Lets everything that is due happen. */
const turn = () => new Promise((resolve) => setTimeout(resolve, 0));

/** A source that a test feeds by hand, and that keeps a record. */
class FakeSource implements Source {
  receiver: Receiver | undefined;
  paused = false;
  closed = 0;
  start(receiver: Receiver): void {
    this.receiver = receiver;
  }
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
  close(): void {
    this.closed++;
  }
  ref(): void {}

  unref(): void {}
}

/** A sink that keeps what is written, and takes one piece at a time if it is `slow`. */
class FakeSink implements Sink {
  readonly written: string[] = [];
  ended = 0;
  closed = 0;
  failure: Error | undefined;
  slow = false;
  #resume: () => void = () => {};
  write(chunk: Uint8Array): Promise<void> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    this.written.push(text(chunk));
    return this.slow ? new Promise((resolve) => this.#resume = resolve) : Promise.resolve();
  }
  makeRoom(): void {
    this.#resume();
  }
  end(): Promise<void> {
    this.ended++;
    return Promise.resolve();
  }
  close(): void {
    this.closed++;
  }
  ref(): void {}

  unref(): void {}
}

const brokenPipe = () => Object.assign(new Error("write EPIPE"), { code: "EPIPE" });

test("a source becomes a web stream", async () => {
  const source = new FakeSource();
  let ended = 0;
  const reader = readableFrom(source, () => ended++).stream.getReader();
  source.receiver?.chunk(bytes("a"), false);
  source.receiver?.chunk(bytes("b"), false);
  assertEquals(text((await reader.read()).value), "a");
  assertEquals(text((await reader.read()).value), "b");
  source.receiver?.end();
  assertEquals((await reader.read()).done, true);
  assertEquals([ended, source.closed > 0], [1, true]);
});

test("lent memory is copied before it is used again", async () => {
  const source = new FakeSource();
  const reader = readableFrom(source, () => {}).stream.getReader();
  const lent = bytes("first");
  source.receiver?.chunk(lent, true);
  lent.fill(120);
  assertEquals(text((await reader.read()).value), "first");
});

test("a stream that nobody reads pauses its source, and reading resumes it", async () => {
  const source = new FakeSource();
  const reader = readableFrom(source, () => {}).stream.getReader();
  await turn();
  for (let i = 0; i < 100 && !source.paused; i++) {
    source.receiver?.chunk(new Uint8Array(64 * 1024), false);
  }
  assert(source.paused, "6 MB were taken for nobody");
  for (let i = 0; i < 100 && source.paused; i++) await reader.read();
  assert(!source.paused);
});

test("a failing source is a failing stream", async () => {
  const source = new FakeSource();
  let ended = 0;
  const reader = readableFrom(source, () => ended++).stream.getReader();
  source.receiver?.end(new RangeError("broken"));
  await assertRejects(() => reader.read(), RangeError, "broken");
  assertEquals(ended, 1);
});

test("cancelling a stream closes its source and counts as its end", async () => {
  const source = new FakeSource();
  let ended = 0;
  await readableFrom(source, () => ended++).stream.cancel();
  assertEquals([source.closed, ended], [1, 1]);
});

test("a sink becomes a web stream that takes text and bytes", async () => {
  const sink = new FakeSink();
  const writer = writableTo(sink).getWriter();
  await writer.write("ü");
  await writer.write(bytes("b"));
  await writer.close();
  assertEquals([sink.written, sink.ended], [["ü", "b"], 1]);
});

test("a slow sink holds the writer up", async () => {
  const sink = new FakeSink();
  sink.slow = true;
  const writer = writableTo(sink).getWriter();
  let done = false;
  const writing = writer.write("a").then(() => done = true);
  await turn();
  assert(!done);
  sink.makeRoom();
  await writing;
});

test("a sink that fails is closed, for its stream will not do it", async () => {
  const sink = new FakeSink();
  sink.failure = brokenPipe();
  const writer = writableTo(sink).getWriter();
  writer.closed.catch(() => {});
  await assertRejects(() => writer.write("a"), Error, "EPIPE");
  assertEquals(sink.closed, 1);
});

test("aborting a stream closes its sink", async () => {
  const sink = new FakeSink();
  await writableTo(sink).abort();
  assertEquals([sink.closed, sink.ended], [1, 0]);
});

test("capture gathers everything, lent memory too", async () => {
  const source = new FakeSource();
  const gathering = capture(source, Infinity, () => {});
  const lent = new Uint8Array(1000);
  let expected = 0;
  for (let i = 0; i < 3000; i++) {
    lent.fill(i % 251);
    const length = i % 1000;
    expected += length;
    source.receiver?.chunk(lent.subarray(0, length), true);
  }
  source.receiver?.end();
  await gathering.done;
  const whole = gathering.bytes();
  assertEquals(whole.length, expected);
  let at = 0;
  for (let i = 0; i < 3000; i++) {
    for (let j = 0; j < i % 1000; j++, at++) if (whole[at] !== i % 251) throw new Error(`at ${at}`);
  }
  assert(gathering.bytes() === whole);
  assert(gathering.lastArrival > 0);
});

test("capture of nothing is nothing", async () => {
  const source = new FakeSource();
  const gathering = capture(source, Infinity, () => {});
  source.receiver?.end();
  await gathering.done;
  assertEquals([gathering.bytes().length, gathering.lastArrival], [0, 0]);
});

test("capture keeps its limit, tells once, and closes the source", async () => {
  const source = new FakeSource();
  let overflows = 0;
  const gathering = capture(source, 5, () => overflows++);
  source.receiver?.chunk(bytes("abc"), true);
  source.receiver?.chunk(bytes("def"), true);
  source.receiver?.chunk(bytes("ghi"), true);
  await gathering.done;
  assertEquals([text(gathering.bytes()), overflows], ["abcde", 1]);
  assert(source.closed > 0);
});

test("capture that is stopped keeps what it has", async () => {
  const source = new FakeSource();
  const gathering = capture(source, Infinity, () => {});
  source.receiver?.chunk(bytes("abc"), false);
  gathering.stop();
  await gathering.done;
  assertEquals(text(gathering.bytes()), "abc");
  assert(source.closed > 0);
});

test("what fails while it is gathered is kept as the error", async () => {
  const source = new FakeSource();
  const gathering = capture(source, Infinity, () => {});
  source.receiver?.end(new RangeError("broken"));
  await gathering.done;
  assert(gathering.error instanceof RangeError);
});

test("pouring writes everything, closes the stream, and waits until it is closed", async () => {
  const source = new FakeSource();
  let written = "";
  let closed = false;
  const stream = new WritableStream<Uint8Array>({
    async write(chunk) {
      await turn();
      written += text(chunk);
    },
    async close() {
      await turn();
      closed = true;
    },
  });
  const gathering = pumpTo(source, { writer: stream.getWriter(), users: 1 });
  source.receiver?.chunk(bytes("a"), false);
  source.receiver?.chunk(bytes("b"), false);
  source.receiver?.end();
  await gathering.done;
  assertEquals([written, closed, gathering.error], ["ab", true, undefined]);
});

test("a slow stream pauses the source that is poured into it", async () => {
  const source = new FakeSource();
  let goOn = () => {};
  const stream = new WritableStream<Uint8Array>({
    write: () => new Promise<void>((resolve) => goOn = resolve),
  });
  const gathering = pumpTo(source, { writer: stream.getWriter(), users: 1 });
  await turn();
  source.receiver?.chunk(bytes("a"), false);
  assert(source.paused);
  await turn();
  goOn();
  await turn();
  assert(!source.paused);
  source.receiver?.end();
  await gathering.done;
});

test("a stream that two outputs go to is closed by the last one", async () => {
  let closed = 0;
  const stream = new WritableStream<Uint8Array>({ close: () => void closed++ });
  const shared = { writer: stream.getWriter(), users: 2 };
  const [out, err] = [new FakeSource(), new FakeSource()];
  const gatherings = [pumpTo(out, shared), pumpTo(err, shared)];
  out.receiver?.end();
  await gatherings[0]?.done;
  assertEquals(closed, 0);
  err.receiver?.end();
  await gatherings[1]?.done;
  assertEquals(closed, 1);
});

test("a stream that fails closes the source, and the error is kept", async () => {
  const source = new FakeSource();
  const stream = new WritableStream<Uint8Array>({
    write() {
      throw new RangeError("disk full");
    },
  });
  const gathering = pumpTo(source, { writer: stream.getWriter(), users: 1 });
  source.receiver?.chunk(bytes("a"), false);
  await gathering.done;
  assert(gathering.error instanceof RangeError);
  assert(source.closed > 0);
});

test("feeding writes the bytes and ends the input", async () => {
  const sink = new FakeSink();
  const feeding = pumpBytes(sink, bytes("abc"));
  await feeding.done;
  assertEquals([sink.written, sink.ended, feeding.error], [["abc"], 1, undefined]);
});

test("feeding takes the next piece only when there is room", async () => {
  const sink = new FakeSink();
  sink.slow = true;
  let taken = 0;
  function* pieces(): Generator<string> {
    for (;;) yield `${taken++}`;
  }
  const feeding = pumpStream(sink, pieces(), () => {});
  await turn();
  await turn();
  assertEquals(taken, 1);
  sink.makeRoom();
  await turn();
  assertEquals(taken, 2);
  feeding.stop();
  sink.makeRoom();
  await feeding.done;
});

test("nobody reading any more is no error, and the source is told", async () => {
  const sink = new FakeSink();
  sink.failure = brokenPipe();
  let returned = false;
  function* pieces(): Generator<string> {
    try {
      for (;;) yield "x";
    } finally {
      returned = true;
    }
  }
  const feeding = pumpStream(sink, pieces(), () => assert(false, "that was no failure"));
  await feeding.done;
  assertEquals([feeding.error, sink.closed > 0], [undefined, true]);
  assert(returned);
});

test("another failure of the pipe is one", async () => {
  const sink = new FakeSink();
  sink.failure = new RangeError("broken");
  let failed = 0;
  const feeding = pumpStream(sink, ["x"], () => failed++);
  await feeding.done;
  assertEquals([feeding.error instanceof RangeError, failed], [true, 1]);
});

test("what the source throws is told, and the input does not end as if it were whole", async () => {
  const sink = new FakeSink();
  let failed = 0;
  async function* pieces(): AsyncGenerator<string> {
    yield await Promise.resolve("half");
    throw new RangeError("no more");
  }
  const feeding = pumpStream(sink, pieces(), () => failed++);
  await feeding.done;
  assertEquals([sink.written, failed, sink.ended], [["half"], 1, 0]);
  assert(feeding.error instanceof RangeError);
});

test("feeding that is stopped does not wait for a source that is stuck", async () => {
  const sink = new FakeSink();
  async function* pieces(): AsyncGenerator<string> {
    yield "a";
    await new Promise<never>(() => {});
  }
  const feeding = pumpStream(sink, pieces(), () => {});
  await turn();
  feeding.stop();
  await feeding.done;
  assertEquals([sink.written, feeding.error], [["a"], undefined]);
});
