/**
 * The life of a child, as one pure function over a table.
 *
 * ```text
 * prepared ─start▶ starting ─exec▶ running ─exit▶ exited ─close▶ closed
 *                    │  └─handshake▶ handshaking ─exec▶ running
 *                    └─fail▶ failed       └─fail▶ failed, ─exit▶ exited
 * ```
 *
 * A child is *exited* when it was reaped, and *closed* when its streams have ended as well.
 *
 * @module
 */

import { StateError } from "../errors.ts";

/** Where a child is in its life. */
export type State =
  | "prepared"
  | "starting"
  | "handshaking"
  | "running"
  | "exited"
  | "closed"
  | "failed";

/** What happens to a child. */
export type Event = "start" | "handshake" | "exec" | "fail" | "exit" | "close";

const TABLE: Readonly<Record<State, Readonly<Partial<Record<Event, State>>>>> = {
  prepared: { start: "starting" },
  starting: { handshake: "handshaking", exec: "running", fail: "failed" },
  handshaking: { exec: "running", fail: "failed", exit: "exited" },
  running: { exit: "exited" },
  exited: { close: "closed" },
  closed: {},
  failed: {},
};

/** The state after an event. Throws a StateError if the event cannot happen in that state. */
export function transition(state: State, event: Event): State {
  const next = TABLE[state][event];
  if (next !== undefined) return next;
  const legal = Object.keys(TABLE[state]).join(", ") || "nothing";
  throw new StateError(`a child that is ${state} cannot ${event}; it can ${legal}`);
}

/** Whether an event can happen in a state. */
export function isLegal(state: State, event: Event): boolean {
  return TABLE[state][event] !== undefined;
}
