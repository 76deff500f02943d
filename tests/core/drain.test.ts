import { assertEquals } from "@std/assert";
import { test } from "node:test";
import { type Bounds, endOf, type Flow } from "../../core/run/drain.ts";
import { MIN_DRAIN_MS } from "../../core/timing.ts";

/** An output that a test ends by hand. */
function flow(): Flow & {
  arrives(): void;
  ends(): void;
  readonly stopped: boolean;
  readable: boolean;
} {
  let end = () => {};
  const made = {
    done: new Promise<void>((resolve) => end = resolve),
    lastArrival: 0,
    busy: false,
    pieces: 0,
    stopped: false,
    readable: false,
    isReadable: () => made.readable,
    arrives() {
      made.pieces++;
      made.lastArrival = performance.now();
    },
    ends: () => end(),
    stop() {
      made.stopped = true;
      end();
    },
  };
  return made;
}

function bounds(drain: number): Bounds {
  return { drain, endedAt: performance.now(), hurried: () => false, onCut() {}, ref: true };
}

/** Keeps the event loop from running. */
function block(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

const turn = () => new Promise((resolve) => setTimeout(resolve, 0));

test("an output that ends is waited for, one that does not is given up", async () => {
  const [ends, stays] = [flow(), flow()];
  const first = endOf([ends], bounds(60_000));
  ends.ends();
  assertEquals([await first, ends.stopped], [true, false]);
  assertEquals([await endOf([stays], bounds(20)), stays.stopped], [false, true]);
});

test("silence is not what a blocked event loop has not come to hear", async () => {
  // Long enough for the bound on an endless output to be further away than the turns below.
  const drain = 4 * MIN_DRAIN_MS;
  const output = flow();
  const ended = endOf([output], bounds(drain));
  block(drain + 10);
  // By now the time is up. What was in the pipe arrives, one turn after the other.
  await turn();
  await turn();
  output.arrives();
  await turn();
  output.ends();
  assertEquals([await ended, output.stopped], [true, false]);
});

test("what is in the pipe when the wait would be over is taken", async () => {
  const output = flow();
  output.readable = true;
  const ended = endOf([output], bounds(0));
  // By now even output that keeps coming is given up.
  await new Promise((resolve) => setTimeout(resolve, MIN_DRAIN_MS));
  for (let i = 0; i < 5; i++) {
    output.arrives();
    await turn();
  }
  output.ends();
  assertEquals([await ended, output.stopped], [true, false]);
});

test("a pipe that always has more is given up", async () => {
  const output = flow();
  output.readable = true;
  assertEquals([await endOf([output], bounds(0)), output.stopped], [false, true]);
});

test("an event loop that is blocked all the time gets as many turns as an idle one", async () => {
  const output = flow();
  const busy = setInterval(() => block(MIN_DRAIN_MS + 10), 0);
  try {
    const ended = endOf([output], bounds(0));
    for (let i = 0; i < 3; i++) {
      await turn();
      output.arrives();
    }
    output.ends();
    assertEquals([await ended, output.stopped], [true, false]);
  } finally {
    clearInterval(busy);
  }
});
