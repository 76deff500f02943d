/**
 * Versions of runtimes, where a feature cannot be tried.
 *
 * @module
 */

/** Whether a version such as `"1.2.0"` or `"1.2.0-canary.1"` comes before another. */
export function isBefore(version: string, other: readonly [number, number, number]): boolean {
  const parts = version.split(/[.+-]/).map(Number);
  for (const [i, wanted] of other.entries()) {
    const part = parts[i] ?? 0;
    if (part !== wanted) return part < wanted;
  }
  return false;
}
