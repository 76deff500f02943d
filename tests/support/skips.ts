/**
 * Skips are counted with their reasons. Deno and Bun leave the reason out of their reports, so it
 * goes to a file of the test runner as well.
 *
 * @module
 */

import { closeSync, openSync, writeSync } from "node:fs";
import process from "node:process";

/** What stands before the lines of tests that were skipped while they ran. */
const LATE = "late: ";

/**
 * Notes a skipped test and its reason. A `late` one was found out while it ran, when the runtime
 * counts it as passed.
 */
export function noteSkip(line: string, { late = false }: { late?: boolean } = {}): void {
  const file = process.env["VIRCOMMAND_TEST_SKIPS"];
  if (file === undefined) return;
  // Deno's appendFileSync changes the mode as well, which the file's owner alone may do.
  const fd = openSync(file, "a");
  writeSync(fd, `${late ? LATE : ""}${line}\n`);
  closeSync(fd);
}
