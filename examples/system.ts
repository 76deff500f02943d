/**
 * Replaces system(3): sets the machine to wake at the next full hour. The number of seconds is
 * computed, and nothing has to be quoted for a shell.
 *
 * @module
 */

import { Command, ExitError, SpawnError } from "../mod.ts";
import { heading, report } from "./support/report.ts";

heading("system: set the alarm clock of the machine to the next full hour");

const HOUR = 3600;
const seconds = HOUR - Math.floor(Date.now() / 1000) % HOUR;

const cmd = new Command("rtcwake", "-m", "no", "-s", seconds)
  .envPassCommon()
  .cwd("/")
  .umask(0o077);

console.log(`the command:\n  ${new Command("rtcwake", "-m", "no", "-s", seconds)}`);
console.log("the same, with its environment:");
console.log(`  ${cmd.toString({ lineBreaks: true }).replaceAll("\n", "\n  ")}`);

try {
  console.log("what happens between clone and exec:");
  for (const line of cmd.explain().split("\n")) console.log(`  ${line}`);

  const { stdout, durationMs } = await cmd.run({ timeout: 5000 });
  console.log(`done: ${stdout.trim()}`);
  report({ "the command": durationMs });
} catch (error) {
  if (error instanceof SpawnError) {
    // The program is probably not installed. A shell would report 127.
    console.log(
      `it could not be started: ${error.code}, in step ${error.step}, path ${error.path}`,
    );
    console.log(`  ${error.message}`);
    report();
  } else if (error instanceof ExitError) {
    // It needs root and a real-time clock.
    console.log(`it ran and failed with status ${error.code}:`);
    console.log(`  ${error.stderr.trim().replaceAll("\n", "\n  ")}`);
    report({ "the command": error.result.durationMs });
  } else {
    throw error;
  }
}
