/**
 * How a program ended, where Deno throws an error instead of reporting it.
 *
 * @module
 */

import { rawOfSignal } from "../spawner/spawner.ts";

/**
 * Returns the status of wait(2) for a program that was ended by a signal without a name: Deno
 * throws an error then, which only has its number. Throws any other error again.
 */
export function rawOfError(error: unknown): number {
  const number = error instanceof TypeError
    ? /^Invalid signal: (\d+)$/.exec(error.message)?.[1]
    : undefined;
  if (number === undefined) throw error;
  return rawOfSignal(Number(number));
}
