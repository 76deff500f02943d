/**
 * Retries of an exec that fails with ETXTBSY. A program that was written just now may still be open
 * for writing in a child that another thread has forked, until that child reaches its own exec. Go
 * and Rust retry for the same reason.
 *
 * @module
 */

import { sleep } from "../../core/clock.ts";

/** The delay before each retry, in milliseconds. */
export const ETXTBSY_DELAYS_MS: readonly number[] = [2, 5, 10, 20];

/** Calls `attempt` again while it rejects with an error for which `isBusy` returns true. */
export async function retryOnTextBusy<T>(
  attempt: () => Promise<T>,
  isBusy: (error: unknown) => boolean,
): Promise<T> {
  for (const delay of ETXTBSY_DELAYS_MS) {
    try {
      return await attempt();
    } catch (error) {
      if (!isBusy(error)) throw error;
    }
    await sleep(delay);
  }
  return await attempt();
}

/** Calls `attempt` again while it throws such an error, blocking this thread. */
export function retryOnTextBusySync<T>(attempt: () => T, isBusy: (error: unknown) => boolean): T {
  for (const delay of ETXTBSY_DELAYS_MS) {
    try {
      return attempt();
    } catch (error) {
      if (!isBusy(error)) throw error;
    }
    sleepSync(delay);
  }
  return attempt();
}

/** Blocks this thread for so many milliseconds. */
export function sleepSync(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
