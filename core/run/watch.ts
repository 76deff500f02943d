/**
 * The time limit and the signal of a run, during its start and afterwards.
 *
 * @module
 */

import type { KillReason } from "./check_result.ts";
import { after, limitOf } from "../command/options.ts";

/** What ends a run early. */
export interface Limits {
  /** Milliseconds; undefined or 0: no limit. */
  readonly timeout: number | undefined;
  readonly signal: AbortSignal | undefined;
}

/**
 * Calls `kill` when the time is up and when the signal fires; at once, if it has fired already.
 * Returns a function that ends the watch. If not `ref`, the event loop need not stay alive for it.
 * Of the time, `elapsed` milliseconds are over already.
 */
export function watch(
  { timeout, signal }: Limits,
  kill: (reason: KillReason) => void,
  { ref, elapsed = 0 }: { readonly ref: boolean; readonly elapsed?: number },
): () => void {
  const limit = limitOf(timeout);
  if (limit === undefined && signal === undefined) return NOTHING_TO_STOP;
  const abort = () => kill({ why: "abort", reason: signal?.reason });
  if (signal?.aborted === true) abort();
  signal?.addEventListener("abort", abort);
  const stopTimer = limit === undefined
    ? NOTHING_TO_STOP
    : after(Math.max(0, limit - elapsed), () => kill({ why: "timeout", timeout: limit }), { ref });
  return () => {
    signal?.removeEventListener("abort", abort);
    stopTimer();
  };
}

/**
 * Keeps a signal from having no listener for a moment: Bun 1.3 then stops the timer of
 * `AbortSignal.timeout()` for good. Returns a function that removes the listener.
 */
export function keepListener(signal: AbortSignal | undefined): () => void {
  if (signal === undefined) return NOTHING_TO_STOP;
  const listener = () => {};
  signal.addEventListener("abort", listener);
  return () => signal.removeEventListener("abort", listener);
}

const NOTHING_TO_STOP = () => {};
