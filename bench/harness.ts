/**
 * A small harness for comparisons: every side does the same work in the same run, in rounds that
 * take turns, so that what else the machine does meets all of them alike. Ratios are taken within
 * a round and their median is reported: absolute times on a shared machine say little.
 *
 * `--json` prints one JSON object per line instead of a table; `--quick` does less, to see that a
 * bench works.
 *
 * @module
 */

import process from "node:process";
import { backendInfo } from "../mod.ts";

/** Whether there is time for the whole measurement. */
export const quick: boolean = process.argv.includes("--quick");

const json = process.argv.includes("--json");

/** One way of doing the work. */
export interface Side {
  readonly name: string;
  /** Does the work once. */
  run(): Promise<void>;
  /** How many times it does so before the sides take turns, if that would take too long then. */
  readonly warmUp?: number;
}

/** A bound on a ratio. */
export interface Limit {
  readonly is: "at most" | "at least";
  readonly ratio: number;
}

/** What is compared with what. */
export interface Comparison {
  readonly title: string;
  readonly ours: Side;
  readonly theirs: readonly Side[];
  /** How many times the sides take turns. */
  readonly rounds: number;
  /** How many times they do so before it counts; the compilers of the runtimes want hundreds. */
  readonly warmUp?: number;
  /** How many times a side does the work in one turn. */
  readonly repeats: number;
  /** Bytes moved each time, if throughput is what matters: ratios are of speed then. */
  readonly bytes?: number;
  /** What the ratio of ours to each of theirs must be. */
  readonly limit?: Limit;
}

/** A line of a report. */
export interface Finding {
  readonly title: string;
  /** What was measured, with its unit. */
  readonly figures: Readonly<Record<string, string>>;
  readonly ratio?: number;
  readonly limit?: Limit;
}

/** Measures and reports a comparison; the ratio to each of theirs. */
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

/** Prints a finding. */
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

/** The middle one of some numbers. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low = NaN, high = NaN] = [sorted[middle - 1 + sorted.length % 2], sorted[middle]];
  return (low + high) / 2;
}

function speed(bytes: number, ms: number): string {
  return (bytes / ms / 1e6).toFixed(2);
}
