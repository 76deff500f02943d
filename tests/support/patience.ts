/**
 * Tests of what has to do with time, without a guess of how fast the machine is.
 *
 * @module
 */

/**
 * For a subshell of a shell script: waits until the script's own process has ended, whether it was
 * reaped or not. What comes then is certainly a descendant's.
 */
export const AFTER_END =
  "{ while read -r _ _ state _ </proc/$$/stat && [ $state != Z ]; do :; done; } 2>/dev/null";

/** What a limit is multiplied by, if it was over too early. */
const FACTORS: readonly number[] = [1, 5, 25, 100];

/**
 * What `attempt` returns for the first time limit that was not over too early; `inTime` looks at
 * whether the program had come to where the limit was to find it. A short limit is tried first, and
 * longer ones if need be: quick on an idle machine, and right on a busy one.
 */
export async function withLimit<T>(
  attempt: (timeout: number) => T | Promise<T>,
  inTime: (outcome: T) => unknown,
  firstMs = 100,
): Promise<T> {
  for (const factor of FACTORS) {
    const outcome = await attempt(factor * firstMs);
    if (inTime(outcome)) return outcome;
  }
  throw new Error(`no time limit from ${firstMs} ms on was enough for the program`);
}
