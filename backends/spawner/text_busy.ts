/**
 * Patience with busy programs. A program that was written a moment ago can be held open for writing
 * by a child of another thread that has not come to its own exec yet; Go and Rust retry for the
 * same reason.
 *
 * @module
 */

/** After how many milliseconds an exec that found its file busy is tried again, each time. */
export const ETXTBSY_DELAYS_MS: readonly number[] = [2, 5, 10, 20];

/** Tries again as long as the error says that the program was busy. */
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
    await new Promise((resolve) => setTimeout(resolve, delay));
  }
  return await attempt();
}

/** The same while the event loop stands still. */
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

/** Lets so many milliseconds pass while this thread stands still. */
export function sleepSync(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
