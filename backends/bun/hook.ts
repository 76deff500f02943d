/**
 * How a hook is run on Bun.
 *
 * @module
 */

import process from "node:process";
import { hookCode, type HookNumbers, runHook } from "../hook.ts";
import { continuation } from "../linux/continue.ts";
import { archNamed } from "../linux/arch_named.ts";
import type { HookCommand } from "../linux/hook_split.ts";
import { bunLibc } from "./libc.ts";

/** Executes Bun anew. */
export const hookCommand: HookCommand = (numbers) => ({
  path: process.execPath,
  argv: [process.execPath, "-e", hookCode(import.meta.url, numbers)],
});

/** What runs there. */
export async function hookMain(numbers: HookNumbers): Promise<void> {
  const arch = archNamed(process.arch);
  if (arch === undefined) throw new Error("a hook needs a child program");
  await runHook(numbers, continuation(bunLibc(), arch));
}
