/**
 * What every example ends with: where it ran, and how long it took.
 *
 * @module
 */

import { backendInfo } from "../../mod.ts";

const begun = performance.now();

/** Prints a heading, so that a run of all examples can be followed. */
export function heading(text: string): void {
  console.log(`== ${text}`);
}

/** Prints runtime, driver and times; `times` are in milliseconds. */
export function report(times: Readonly<Record<string, number>> = {}): void {
  const { runtime, version, driver, os, arch } = backendInfo();
  const all = { ...times, "in all": performance.now() - begun };
  const display = Object.entries(all).map(([name, ms]) => `${name} ${ms.toFixed(1)} ms`);
  console.log(
    `-- ${runtime} ${version}, ${driver} driver on ${os} ${arch}: ${display.join(", ")}\n`,
  );
}
