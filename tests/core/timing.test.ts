import { assert, assertEquals } from "@std/assert";
import { test } from "node:test";
import { Draining, Escalation, longestDrain, MIN_DRAIN_MS } from "../../core/timing.ts";

test("silence for as long as drain ends the wait for outputs", () => {
  const draining = new Draining(100, 1000);
  assertEquals(draining.deadline, 1100);
  assert(!draining.isOver(1099, true));
  assert(draining.isOver(1100, true));
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
  assert(!draining.isOver(1001, false));
  assert(draining.isOver(1001, true));
});

test("output that goes on and on is given up all the same", () => {
  for (const drain of [0, 1, 100, 5000]) {
    const draining = new Draining(drain, 1000);
    const end = 1000 + longestDrain(drain);
    for (let now = 1000; now <= end; now += Math.max(1, drain / 10)) draining.arrived(now);
    assertEquals(draining.deadline, end);
    assert(draining.isOver(end, false), `drain ${drain}`);
  }
});

test("a reader that is held up is given the whole time again", () => {
  const draining = new Draining(100, 1000);
  draining.heldUp(5000);
  assertEquals(draining.deadline, 5100);
  assert(!draining.isOver(5099, true));
  assert(draining.isOver(5000 + longestDrain(100), false));
});

test("the longest wait is some rounds of drain, and long enough to read a pipe", () => {
  assertEquals([longestDrain(0), longestDrain(1)], [MIN_DRAIN_MS, MIN_DRAIN_MS]);
  assertEquals([longestDrain(1000), longestDrain(Infinity)], [4000, Infinity]);
});

test("SIGKILL is due when grace is over, and asking again does not put it off", () => {
  const escalation = new Escalation();
  assertEquals(escalation.killAt, Infinity);
  assert(escalation.ask(1000, 500));
  assert(!escalation.ask(1400, 500));
  assertEquals(escalation.killAt, 1500);
  assert(escalation.ask(1400, 0));
  assertEquals(escalation.killAt, 1400);
});

test("nothing is due any more when the program has ended", () => {
  const escalation = new Escalation();
  escalation.ask(1000, 500);
  escalation.done();
  assertEquals(escalation.killAt, Infinity);
  assert(escalation.ask(2000, 500));
});
