/**
 * Waiting for the end of outputs when their program has ended.
 *
 * @module
 */

import { after } from "./options.ts";
import type { Gathering } from "./streams.ts";

/** How many times the wait may be started anew by output that keeps coming. */
const ROUNDS = 4;

/** Milliseconds that the wait lasts at the least. */
const LEAST = 10;

/** The pages of the largest pipe, see fs.pipe-max-size in pipe(7): no more pieces are in one. */
const FULL_PIPE = 256;

/**
 * Waits for the end of what is gathered from a program that has ended at `endedAt`, as
 * `performance.now()` counts; says whether it came. A descendant of the program may hold a pipe
 * open for ever: what is in it is read, but silence for `drain` milliseconds ends the wait, and so
 * does chatter that goes on and on. Who takes what was read may take his time, for as much as a
 * pipe can have held.
 */
export async function endOf(
  gathered: readonly Gathering[],
  drain: number,
  endedAt: number,
): Promise<boolean> {
  const ended = Promise.all(gathered.map((each) => each.done)).then(() => true);
  const arrived = () => gathered.reduce((sum, each) => sum + each.pieces, 0);
  const most = arrived() + gathered.length * FULL_PIPE;
  let begun = endedAt;
  for (;;) {
    if (gathered.some((each) => each.busy) && arrived() <= most) begun = performance.now();
    const latest = Math.max(begun, ...gathered.map((each) => each.lastArrival));
    const deadline = Math.min(latest + drain, begun + ROUNDS * drain);
    const left = deadline - performance.now();
    // At least one turn of the event loop: what is in the pipes by now is always read.
    if (await settledWithin(ended, Math.max(left, LEAST))) return true;
    if (left <= LEAST) break;
  }
  for (const each of gathered) each.stop();
  await ended;
  return false;
}

function settledWithin(promise: Promise<unknown>, delay: number): Promise<boolean> {
  return new Promise((resolve) => {
    const stop = after(delay, () => resolve(false));
    promise.then(() => {
      stop();
      resolve(true);
    });
  });
}
