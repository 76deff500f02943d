/**
 * What was seen of features goes to a file of the test runner, for the table in docs/support.md.
 *
 * @module
 */

import { closeSync, openSync, writeSync } from "node:fs";
import process from "node:process";
import { backendInfo } from "../../mod.ts";

/** Notes what became of a command that uses a feature. */
export function noteSeen(feature: string, outcome: string): void {
  const file = process.env["VIRCOMMAND_TEST_SUPPORT"];
  if (file === undefined) return;
  const name = process.env["VIRCOMMAND_TEST_RUNTIME"];
  const fd = openSync(file, "a");
  writeSync(fd, `${JSON.stringify({ name, driver: backendInfo().driver, feature, outcome })}\n`);
  closeSync(fd);
}
