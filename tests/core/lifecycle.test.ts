import { assert, assertEquals, assertThrows } from "@std/assert";
import { test } from "node:test";
import { StateError } from "../../core/errors.ts";
import { type Event, type State, transition } from "../../core/run/lifecycle.ts";

const EVENTS: Event[] = ["exec", "fail", "exit", "close"];

/** The state after each of the events, in the order of EVENTS; null where it cannot happen. */
const TABLE: Record<State, (State | null)[]> = {
  handshaking: ["running", "failed", "exited", null],
  running: [null, null, "exited", null],
  exited: [null, null, null, "closed"],
  closed: [null, null, null, null],
  failed: [null, null, null, null],
};

const STATES = Object.keys(TABLE) as State[];

for (const state of STATES) {
  EVENTS.forEach((event, i) => {
    const next = TABLE[state][i] ?? null;
    test(`a child that is ${state}: ${event} ${next ? `makes it ${next}` : "cannot happen"}`, () => {
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
