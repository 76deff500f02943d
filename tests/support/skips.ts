/**
 * Skips are counted with their reasons. Deno and Bun leave the reason out of their reports, so it
 * goes to a file of the test runner as well.
 *
 * @module
 */

import { appendFileSync } from "node:fs";
import process from "node:process";

/** Notes a skipped test and its reason. */
export function noteSkip(line: string): void {
  const file = process.env["VIRCOMMAND_TEST_SKIPS"];
  if (file !== undefined) appendFileSync(file, `${line}\n`);
}
