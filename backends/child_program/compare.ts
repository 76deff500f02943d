/**
 * Comparing in a child program. The interpreter can only tell the sign of a result, so numbers are
 * compared by a call: futex(2) FUTEX_CMP_REQUEUE with no waiter returns 0 if a word in memory
 * has the value in its sixth argument, and -EAGAIN if it has another one.
 *
 * @module
 */

import { FUTEX_CMP_REQUEUE_PRIVATE } from "../../core/tables/kernel.ts";
import { type Arg, arg, type Call, call, type CallStep } from "./call.ts";

const CMP_REQUEUE = arg(FUTEX_CMP_REQUEUE_PRIVATE, "FUTEX_CMP_REQUEUE_PRIVATE");

/** Which of the arguments is the value that is expected. */
export const EXPECTED = 5;

/** Whether a word in memory has a value: zero if so, an error if not. */
export function compareWord(
  step: CallStep,
  word: Exclude<Arg, number | bigint>,
  expected: Arg,
): Call {
  return call(step, "futex", [word, CMP_REQUEUE, 0, 0, { ...word, display: "…" }, expected]);
}
