/**
 * Signals of Node, in whatever realm this code runs, and whatever became of its listeners.
 *
 * @module
 */

import type nodeProcess from "node:process";
import { runInThisContext } from "node:vm";

/**
 * The process that Node itself emits signals on. Jest gives the code that it tests a copy, which
 * hears of none.
 */
export const process: typeof nodeProcess = runInThisContext(
  "globalThis.process",
) as typeof nodeProcess;

/** Whether the process of this realm is another one, whose realm may end before Node does. */
export const isCopy: boolean = process !== globalThis.process;

/**
 * Node's own listener, which has signals delivered when somebody listens for them. After
 * `process.removeAllListeners()` it is gone, and whoever listens hears nothing.
 */
const own = process.listeners("newListener" as "exit").filter(isNodes) as unknown as readonly ((
  event: string,
  listener: () => void,
) => void)[];

function isNodes({ name }: { readonly name: string }): boolean {
  return name === "startListeningIfSignal";
}

/** Calls `listener` after each SIGCHLD; returns what ends that. */
export function onSigchld(listener: () => void): () => void {
  process.on("SIGCHLD", listener);
  if (!process.listeners("newListener" as "exit").some(isNodes)) {
    for (const each of own) each("SIGCHLD", listener);
  }
  return () => void process.off("SIGCHLD", listener);
}
