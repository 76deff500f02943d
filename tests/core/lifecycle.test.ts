import { assert, assertEquals, assertThrows } from "@std/assert";
import { test } from "node:test";
import { StateError } from "../../core/errors.ts";
import { type Event, isLegal, type State, transition } from "../../core/run/lifecycle.ts";

const EVENTS: Event[] = ["start", "handshake", "exec", "fail", "exit", "close"];

/** The state after each of the events, in the order of EVENTS; null where it cannot happen. */
const TABLE: Record<State, (State | null)[]> = {
  prepared: ["starting", null, null, null, null, null],
  starting: [null, "handshaking", "running", "failed", null, null],
  handshaking: [null, null, "running", "failed", "exited", null],
  running: [null, null, null, null, "exited", null],
  exited: [null, null, null, null, null, "closed"],
  closed: [null, null, null, null, null, null],
  failed: [null, null, null, null, null, null],
};

const STATES = Object.keys(TABLE) as State[];

for (const state of STATES) {
  EVENTS.forEach((event, i) => {
    const next = TABLE[state][i] ?? null;
    test(`a child that is ${state}: ${event} ${next ? `makes it ${next}` : "cannot happen"}`, () => {
      assertEquals(isLegal(state, event), next !== null);
      if (next !== null) return assertEquals(transition(state, event), next);
      const error = assertThrows(() => transition(state, event), StateError);
      assert(error.message.startsWith(`a child that is ${state} cannot ${event}; `));
    });
  });
}

test("the error of a wrong event lists what could happen instead", () => {
  const words = (state: State, event: Event) =>
    assertThrows(() => transition(state, event), StateError).message.split("it can ")[1];
  assertEquals(words("handshaking", "close"), "exec, fail, exit");
  assertEquals(words("closed", "exit"), "nothing");
});

test("every state can be reached from prepared, and every life ends", () => {
  const reached = new Set<State>(["prepared"]);
  for (const state of reached) {
    for (const event of EVENTS) if (isLegal(state, event)) reached.add(transition(state, event));
  }
  assertEquals([...reached].sort(), [...STATES].sort());
  const ends = STATES.filter((state) => EVENTS.every((event) => !isLegal(state, event)));
  assertEquals(ends, ["closed", "failed"]);
});
