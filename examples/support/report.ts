/**
 * Prints where an example ran and how long it took.
 *
 * @module
 */

import { backendInfo } from "../../mod.ts";

const begun = performance.now();

/** Prints a heading, to separate the examples in a run of all of them. */
export function heading(text: string): void {
  console.log(`== ${text}`);
}

/** Prints runtime, driver and times; `times` are in milliseconds. */
export function report(times: Readonly<Record<string, number>> = {}): void {
  const { runtime, version, driver, os, arch } = backendInfo();
  const all = { ...times, total: performance.now() - begun };
  const display = Object.entries(all).map(([name, ms]) => `${name} ${ms.toFixed(1)} ms`);
  console.log(
    `-- ${runtime} ${version}, ${driver} driver on ${os} ${arch}: ${display.join(", ")}\n`,
  );
}
