/**
 * How a hook is run on Deno.
 *
 * @module
 */

import { hookCode, type HookNumbers, runHook } from "../hook.ts";
import { continuation } from "../linux/continue.ts";
import { archNamed } from "../linux/arch_named.ts";
import type { HookCommand } from "../linux/hook_split.ts";
import { denoLibc } from "./libc.ts";

/** Executes Deno anew; `deno eval` has all permissions, as the parent has that may use FFI. */
export const hookCommand: HookCommand = (numbers) => ({
  path: Deno.execPath(),
  argv: [Deno.execPath(), "eval", "--quiet", hookCode(import.meta.url, numbers)],
});

/** What runs there. */
export async function hookMain(numbers: HookNumbers): Promise<void> {
  const arch = archNamed(Deno.build.arch);
  if (arch === undefined) throw new Error("a hook needs a child program");
  await runHook(numbers, continuation(denoLibc(), arch));
}
