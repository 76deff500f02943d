/**
 * A small harness for comparisons. All sides do the same work in the same run. They alternate in
 * rounds, so that other load on the machine affects all of them equally. Each ratio is computed
 * within a round, and the median is reported, because absolute times on a shared machine mean
 * little.
 *
 * `--json` prints one JSON object per line instead of a table. `--quick` does less work, to check
 * that a bench runs.
 *
 * @module
 */

import process from "node:process";
import { backendInfo } from "../mod.ts";

/** Whether to do less work, only to check that a bench runs. */
export const quick: boolean = process.argv.includes("--quick");

const json = process.argv.includes("--json");

/** One of the sides that are compared. */
export interface Side {
  readonly name: string;
  /** Does the work once. */
  run(): Promise<void>;
  /** The number of warm-up rounds of this side, if the usual number would take too long. */
  readonly warmUp?: number;
}

/** A limit for a ratio. */
export interface Limit {
  readonly is: "at most" | "at least";
  readonly ratio: number;
}

/** A comparison of several sides. */
export interface Comparison {
  readonly title: string;
  readonly ours: Side;
  readonly theirs: readonly Side[];
  /** The number of measured rounds. */
  readonly rounds: number;
  /** The number of rounds for warm-up. The compilers of the runtimes need hundreds. */
  readonly warmUp?: number;
  /** How often a side does the work in one turn. */
  readonly repeats: number;
  /** The bytes moved each time, for a comparison of throughput. Ratios then compare speed. */
  readonly bytes?: number;
  /** The limit for the ratio of vircommand to each other side. */
  readonly limit?: Limit;
}

/** A line of the report. */
export interface Finding {
  readonly title: string;
  /** The measured values, with their units. */
  readonly figures: Readonly<Record<string, string>>;
  readonly ratio?: number;
  readonly limit?: Limit;
}

/** Measures and reports a comparison. Returns the ratio to each other side. */
export async function compare(comparison: Comparison): Promise<number[]> {
  const { title, ours, theirs, warmUp = 1, repeats, bytes, limit } = comparison;
  const sides = [ours, ...theirs];
  const rounds = quick ? 2 : comparison.rounds;
  const times = sides.map((): number[] => []);
  for (const side of sides) {
    for (let i = 0; i < (quick ? 0 : side.warmUp ?? 0); i++) await side.run();
  }
  for (let round = quick ? -1 : -warmUp; round < rounds; round++) {
    for (let turn = 0; turn < sides.length; turn++) {
      const index = (turn + round + warmUp) % sides.length;
      const side = sides[index];
      if (side === undefined) continue;
      const begun = performance.now();
      for (let i = 0; i < repeats; i++) await side.run();
      if (round >= 0) times[index]?.push((performance.now() - begun) / repeats);
    }
  }
  const [oursTimes = []] = times;
  const figure = (all: readonly number[]) => {
    const ms = median(all);
    return bytes === undefined ? `${(ms * 1000).toFixed(0)} µs` : `${speed(bytes, ms)} GB/s`;
  };
  return theirs.map(({ name }, i) => {
    const theirTimes = times[i + 1] ?? [];
    const ratios = oursTimes.map((time, round) => {
      const other = theirTimes[round] ?? NaN;
      return bytes === undefined ? time / other : other / time;
    });
    const ratio = median(ratios);
    const figures = { [ours.name]: figure(oursTimes), [name]: figure(theirTimes) };
    report({ title, figures, ratio, ...(limit === undefined ? {} : { limit }) });
    return ratio;
  });
}

/** Prints a line. */
export function report({ title, figures, ratio, limit }: Finding): void {
  const { runtime, version, driver } = backendInfo();
  const met = ratio === undefined || limit === undefined
    ? undefined
    : limit.is === "at most"
    ? ratio <= limit.ratio
    : ratio >= limit.ratio;
  if (json) {
    const rounded = ratio === undefined ? undefined : Number(ratio.toFixed(4));
    const line = { runtime, version, driver, title, figures, ratio: rounded, limit, met };
    console.log(JSON.stringify(line));
    return;
  }
  const display = Object.entries(figures).map(([name, value]) => `${name} ${value}`).join(", ");
  const judged = ratio === undefined ? "" : `; ratio ${ratio.toFixed(ratio < 0.1 ? 4 : 2)}`;
  const bound = limit === undefined
    ? ""
    : ` (limit: ${limit.is} ${limit.ratio}: ${met ? "met" : "MISSED"})`;
  console.log(`${runtime.padEnd(4)} ${title}: ${display}${judged}${bound}`);
}

/** Returns the median. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low = NaN, high = NaN] = [sorted[middle - 1 + sorted.length % 2], sorted[middle]];
  return (low + high) / 2;
}

function speed(bytes: number, ms: number): string {
  return (bytes / ms / 1e6).toFixed(2);
}
