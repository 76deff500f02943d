/**
 * How a hook is run on Bun.
 *
 * @module
 */

import { process } from "../process.ts";
import { hookCode, nodeSystem, runHook } from "../hook.ts";
import type { HookNumbers } from "../child_program/hook_start.ts";
import { continuation } from "../native/continue.ts";
import { archNamed } from "../child_program/arch_named.ts";
import type { HookCommand } from "../child_program/hook_split.ts";
import { bunFfi, bunLibc } from "./libc.ts";

/** Only the hook is loaded: no bunfig.toml, no .env, no package that is not installed. */
const ISOLATION_FLAGS = ["--config=/dev/null", "--env-file=/dev/null", "--no-install"];

/** Returns how to execute Bun again. */
export const hookCommand: HookCommand = (start) => ({
  path: process.execPath,
  argv: [process.execPath, ...ISOLATION_FLAGS, "-e", hookCode(import.meta.url, start)],
});

/** Runs the hook in that process. */
export async function hookMain(
  numbers: HookNumbers,
  load: () => Promise<Record<string, unknown>>,
): Promise<void> {
  const arch = archNamed(process.arch);
  const ffi = bunFfi();
  if (arch === undefined || ffi === undefined) throw new Error("a hook needs a child program");
  await runHook(numbers, load, nodeSystem, continuation(bunLibc(ffi), arch));
}
