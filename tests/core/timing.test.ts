import { assert, assertEquals, assertThrows } from "@std/assert";
import { test } from "node:test";
import {
  Draining,
  Escalation,
  longestDrain,
  MIN_DRAIN_MS,
  SIGKILL,
  SIGTERM,
} from "../../core/timing.ts";

test("silence for as long as drain ends the wait for outputs", () => {
  const draining = new Draining(100, 1000);
  assertEquals(draining.deadline, 1100);
  assert(!draining.isOver(1099, { quiet: true }));
  assert(draining.isOver(1100, { quiet: true }));
});

test("what arrives starts the silence again, and what arrived before does not", () => {
  const draining = new Draining(100, 1000);
  draining.arrived(900);
  assertEquals(draining.deadline, 1100);
  draining.arrived(1050);
  assertEquals(draining.deadline, 1150);
  draining.arrived(1020);
  assertEquals(draining.deadline, 1150);
});

test("past the deadline, the wait goes on while something is ready to be read", () => {
  const draining = new Draining(0, 1000);
  assert(!draining.isOver(1001, { quiet: false }));
  assert(draining.isOver(1001, { quiet: true }));
});

test("output that goes on and on is given up all the same", () => {
  for (const drain of [0, 1, 100, 5000]) {
    const draining = new Draining(drain, 1000);
    const end = 1000 + longestDrain(drain);
    for (let now = 1000; now <= end; now += Math.max(1, drain / 10)) draining.arrived(now);
    assertEquals(draining.deadline, end);
    assert(draining.isOver(end, { quiet: false }), `drain ${drain}`);
  }
});

test("a reader that is held up is given the whole time again", () => {
  const draining = new Draining(100, 1000);
  draining.heldUp(5000);
  assertEquals(draining.deadline, 5100);
  assert(!draining.isOver(5099, { quiet: true }));
  assert(draining.isOver(5000 + longestDrain(100), { quiet: false }));
});

test("the longest wait is some rounds of drain, and long enough to read a pipe", () => {
  assertEquals([longestDrain(0), longestDrain(1)], [MIN_DRAIN_MS, MIN_DRAIN_MS]);
  assertEquals([longestDrain(1000), longestDrain(Infinity)], [4000, Infinity]);
});

/** An escalation of a program that may be gone, or may not be sent some signals. */
function escalation({ gone = false, refused = [] as number[] } = {}) {
  const sent: number[] = [];
  const made = new Escalation((signal) => {
    if (refused.includes(signal)) throw new Error(`refused ${signal}`);
    sent.push(signal);
    return !gone;
  });
  return { made, sent };
}

test("SIGKILL is due when grace is over, and asking again does not put it off", () => {
  const { made, sent } = escalation();
  assertEquals(made.killAt, Infinity);
  made.ask(SIGTERM, 1000, 500);
  made.ask(SIGTERM, 1400, 500);
  assertEquals(made.killAt, 1500);
  made.ask(2, 1400, 0);
  assertEquals(made.killAt, 1400);
  assertEquals(sent, [SIGTERM, SIGTERM, 2]);
  made.force();
  assertEquals([made.killAt, sent.at(-1)], [Infinity, SIGKILL]);
});

test("nothing is due any more when the program has ended", () => {
  const { made } = escalation();
  made.ask(SIGTERM, 1000, 500);
  made.done();
  assertEquals(made.killAt, Infinity);
  const { made: late } = escalation({ gone: true });
  late.ask(SIGTERM, 2000, 500);
  assertEquals(late.killAt, Infinity);
});

test("a program that could not be asked gets SIGKILL at once", () => {
  const { made, sent } = escalation({ refused: [SIGTERM] });
  made.ask(SIGTERM, 1000, 500);
  assertEquals([made.killAt, ...sent], [Infinity, SIGKILL]);
  const { made: refused } = escalation({ refused: [SIGTERM, SIGKILL] });
  assertEquals(assertThrows(() => refused.ask(SIGTERM, 1000, 500), Error).message, "refused 9");
});
