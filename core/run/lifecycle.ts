/**
 * The states of a child, as one pure function over a table.
 *
 * ```text
 * handshaking ─exec▶ running ─exit▶ exited ─close▶ closed
 *      ├─exit▶ exited
 *      └─fail▶ failed
 * ```
 *
 * A child is *exited* when it was reaped, and *closed* when its streams have ended as well.
 *
 * @module
 */

import { StateError } from "../errors.ts";

/** The state of a child. */
export type State =
  | "handshaking"
  | "running"
  | "exited"
  | "closed"
  | "failed";

/** What happens to a child. */
export type Event = "exec" | "fail" | "exit" | "close";

const TABLE: Readonly<Record<State, Readonly<Partial<Record<Event, State>>>>> = {
  handshaking: { exec: "running", fail: "failed", exit: "exited" },
  running: { exit: "exited" },
  exited: { close: "closed" },
  closed: {},
  failed: {},
};

/** Returns the state after an event. Throws a StateError if the event cannot happen. */
export function transition(state: State, event: Event): State {
  const next = TABLE[state][event];
  if (next !== undefined) return next;
  const possible = Object.keys(TABLE[state]).join(", ") || "nothing";
  throw new StateError(`a child that is ${state} cannot ${event}; it can ${possible}`);
}
