/**
 * Waiting for the end of outputs when their program has ended, with the event loop's clock.
 *
 * @module
 */

import { after } from "../command/options.ts";
import { Draining, FULL_PIPE_PIECES } from "../timing.ts";

/** Milliseconds for a turn of the event loop in which something can arrive. */
const TURN = 10;

/**
 * How many turns without an arrival are silence. A busy process may not have come to its event loop
 * for longer than `drain`: then the timer is due together with what has been in the pipes for long,
 * and a runtime needs some turns to hand that over.
 */
const QUIET_TURNS = 3;

/** An output on its way to somebody. */
export interface Flow {
  /** Resolves when it has ended, or was given up. Never rejects. */
  readonly done: Promise<void>;
  /** When something last arrived, as `performance.now()` counts; 0 if nothing did. */
  readonly lastArrival: number;
  /** Whether what has arrived is still being taken: then silence says nothing. */
  readonly busy: boolean;
  /** How many pieces have arrived. */
  readonly pieces: number;
  /** Takes no more, and closes the descriptor. If `abandoned`, nobody waits for its taker. */
  stop(abandoned?: boolean): void;
}

/** What bounds a wait. */
export interface Bounds {
  /** Milliseconds of silence after which a descendant that holds the pipe is not waited for. */
  readonly drain: number;
  /** When the program ended, as `performance.now()` counts. */
  readonly endedAt: number;
  /** Whether the run is to be over: slow takers get no more time than `drain` gives. */
  readonly hurried: () => boolean;
  /** Calls back when a time limit or a signal ends the wait at once. */
  readonly onCut: (cut: () => void) => void;
  /** Whether the event loop stays alive for the wait. */
  readonly ref: boolean;
}

/**
 * Waits for the end of the outputs of a program that has ended; reports whether it came. Takers of
 * what was read may be slow, for as much as a pipe can have held.
 */
export async function endOf(flows: readonly Flow[], bounds: Bounds): Promise<boolean> {
  const { drain, endedAt, hurried, onCut, ref } = bounds;
  let over = false;
  let cut = false;
  let wake = () => {};
  const ended = Promise.all(flows.map((each) => each.done)).then(() => {
    over = true;
    wake();
  });
  onCut(() => {
    cut = true;
    for (const each of flows) each.stop(true);
    wake();
  });
  const sleep = (ms: number) =>
    new Promise<void>((resolve) => {
      const stop = after(ms, resolve, { ref });
      wake = () => {
        stop();
        resolve();
      };
    });
  const draining = new Draining(drain, endedAt);
  const arrived = () => flows.reduce((sum, each) => sum + each.pieces, 0);
  const most = arrived() + flows.length * FULL_PIPE_PIECES;
  /** Whether somebody is still taking what the program may have written. */
  const look = () => {
    for (const each of flows) draining.arrived(each.lastArrival);
    const busy = !hurried() && flows.some((each) => each.busy) && arrived() <= most;
    if (busy) draining.heldUp(performance.now());
    return busy;
  };
  let quietTurns = 0;
  for (;;) {
    look();
    const before = arrived();
    // At least one turn of the event loop: what is in the pipes by now is always read.
    await sleep(Math.max(draining.deadline - performance.now(), TURN));
    if (cut) break;
    if (over) return true;
    const busy = look();
    quietTurns = busy || arrived() !== before ? 0 : quietTurns + 1;
    if (!busy && draining.isOver(performance.now(), quietTurns >= QUIET_TURNS)) break;
  }
  for (const each of flows) each.stop(cut || hurried());
  await ended;
  return false;
}
