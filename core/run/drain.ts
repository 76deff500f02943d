/**
 * Waiting for the end of outputs when their program has ended, with the event loop's clock.
 *
 * @module
 */

import { performance } from "../clock.ts";
import { after } from "../command/options.ts";
import { Draining, FULL_PIPE_PIECES } from "../timing.ts";

/** Milliseconds for a turn of the event loop in which something can arrive. */
const TURN = 10;

/**
 * How many turns without an arrival end the wait. If the event loop was blocked for longer than
 * `drain`, the timer is due, and so is data that has been in the pipes for a long time. A runtime
 * needs some turns to deliver it.
 */
const QUIET_TURNS = 3;

/**
 * How many more turns there are for what is in a pipe when the wait would be over. A descendant that
 * writes without an end always has something in it.
 */
const LAST_TURNS = 10;

/** An output that is being read. */
export interface Flow {
  /** Resolves when it has ended or was stopped. Never rejects. */
  readonly done: Promise<void>;
  /** When something last arrived, as `performance.now()` counts; 0 if nothing did. */
  readonly lastArrival: number;
  /** Whether its consumer is still busy with what has arrived. Then nothing more can arrive. */
  readonly busy: boolean;
  /** How many pieces have arrived. */
  readonly pieces: number;
  /** Whether the pipe has something to read, or has ended. Missing where that cannot be asked. */
  isReadable?(): boolean;
  /** Reads no more, and closes the descriptor. If `abandoned`, its consumer is not waited for. */
  stop(how?: { readonly abandoned: boolean }): void;
}

/** What bounds a wait. */
export interface Bounds {
  /** Milliseconds without an arrival after which the wait ends, if a descendant holds the pipe. */
  readonly drain: number;
  /** When the program ended, as `performance.now()` counts. */
  readonly endedAt: number;
  /** Whether the program is being killed. Then slow consumers get no more time than `drain`. */
  readonly hurried: () => boolean;
  /** Calls back when a time limit or a signal ends the wait. */
  readonly onCut: (cut: () => void) => void;
  /** Whether the event loop stays alive for the wait. */
  readonly ref: boolean;
}

/**
 * Waits for the end of the outputs of a program that has ended; reports whether it came. A slow
 * consumer gets the time that it needs, but for no more data than a pipe can hold.
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
    for (const each of flows) each.stop({ abandoned: true });
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
  /** Updates `draining`; returns whether a consumer is busy with what the program wrote. */
  const update = () => {
    for (const each of flows) draining.arrived(each.lastArrival);
    const busy = !hurried() && flows.some((each) => each.busy) && arrived() <= most;
    if (busy) draining.heldUp(performance.now());
    return busy;
  };
  let quietTurns = 0;
  let lastTurns = 0;
  for (;;) {
    update();
    const before = arrived();
    // At least one turn of the event loop, so that what is in the pipes now is always read.
    const since = performance.now();
    const wait = Math.max(draining.deadline - since, TURN);
    await sleep(wait);
    if (cut) break;
    // The event loop was blocked, and has read nothing meanwhile.
    draining.delayed(Math.max(0, performance.now() - since - wait));
    if (over) return true;
    const busy = update();
    quietTurns = busy || arrived() !== before ? 0 : quietTurns + 1;
    const quiet = quietTurns >= QUIET_TURNS;
    if (busy || !draining.isOver(performance.now(), { quiet })) continue;
    if (++lastTurns > LAST_TURNS || !flows.some((each) => each.isReadable?.() === true)) break;
  }
  for (const each of flows) each.stop({ abandoned: cut || hurried() });
  await ended;
  return false;
}
