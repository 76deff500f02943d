/**
 * A manager runs a hook script that its administrator wrote. The script gets four arguments, only
 * the chosen environment variables, and the description of the machine on standard input. The
 * manager reads the output of the script. If the script fails, the operation stops, and the
 * standard error of the script gives the reason.
 *
 * @module
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command, ExitError } from "../mod.ts";
import { heading, report } from "./support/report.ts";

heading("a hook script decides");

const SCRIPT = `#!/bin/sh
# $1: the machine, $2: operation, $3: sub-operation, $4: extra
case "$2" in
  prepare) echo "hook: $1 $2 $3 $4, $(grep -c '<disk' -) disk(s), PATH=$PATH" ;;
  *) echo "hook: will not $2 $1" >&2; exit 1 ;;
esac
`;

/** Runs a hook and returns its output. Throws an ExitError if the hook fails. */
async function runHook(script: string, machine: string, operation: string): Promise<string> {
  const description = "<domain type='kvm'>\n  <disk/>\n</domain>\n";
  const { stdout } = await new Command(script, machine, operation, "begin", "-")
    .envPassCommon()
    .env("HOOK_VERSION", 1)
    .umask(0o077)
    .cwd("/")
    .stdin(description)
    .run({ timeout: 10_000 });
  return stdout.trim();
}

const folder = mkdtempSync(join(tmpdir(), "vircommand-hook-"));
try {
  const script = join(folder, "qemu");
  writeFileSync(script, SCRIPT, { mode: 0o700 });
  console.log(`allowed: ${await runHook(script, "web 1", "prepare")}`);
  try {
    await runHook(script, "web 1", "migrate");
  } catch (error) {
    if (!(error instanceof ExitError)) throw error;
    console.log(`refused: ${error.code}: ${error.result.stderr.trim()}`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
report();
