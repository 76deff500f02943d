/**
 * Closing ranges of descriptors, also where close_range(2) is missing (before Linux 5.9, and in
 * sandboxes whose profile is older).
 *
 * @module
 */

import { LAST_FD } from "../../core/plan/descriptors.ts";
import { arg, type Call, call, type CallStep } from "./call.ts";

/**
 * Without close_range(2): how many numbers above the highest open one are closed as well, for what
 * other threads open before the child has a copy of the table.
 */
export const SPARE_FDS = 256;

/**
 * Closes the descriptors from `first` to `last`. Without close_range(2), `openBelow` is a number that
 * no open descriptor reaches: they are closed one by one up to there, whether open or not.
 */
export function closeRange(
  step: CallStep,
  first: number,
  last: number,
  openBelow: number | undefined,
): Call[] {
  if (last < first) return [];
  if (openBelow === undefined) {
    return [call(step, "close_range", [first, last === LAST_FD ? arg(last, "~0U") : last, 0])];
  }
  const end = Math.min(last, openBelow - 1);
  if (end < first) return [];
  const each = Array.from({ length: end - first + 1 }, (_, i) => first + i);
  return [{ ...call(step, "close", [arg(first, `${first}…${end}`)]), each, ignoresErrors: true }];
}

/** Closes all descriptors but some. */
export function closeAllBut(
  step: CallStep,
  kept: readonly number[],
  openBelow: number | undefined,
): Call[] {
  const numbers = [...new Set(kept)].sort((a, b) => a - b);
  return [-1, ...numbers].flatMap((fd, i) =>
    closeRange(step, fd + 1, (numbers[i] ?? LAST_FD + 1) - 1, openBelow)
  );
}
