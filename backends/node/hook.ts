/**
 * How a hook is run on Node.
 *
 * @module
 */

import process from "node:process";
import { hookCode, type HookNumbers, runHook } from "../hook.ts";
import { continuation } from "../linux/continue.ts";
import { archNamed } from "../linux/arch_named.ts";
import type { HookCommand } from "../linux/talk.ts";
import { nodeFfi, nodeLibc } from "./libc.ts";

/** Executes Node anew. */
export const hookCommand: HookCommand = (numbers) => ({
  path: process.execPath,
  argv: [process.execPath, "--no-warnings", "-e", hookCode(import.meta.url, numbers)],
});

/** What runs there. */
export async function hookMain(numbers: HookNumbers): Promise<void> {
  const [arch, ffi] = [archNamed(process.arch), nodeFfi()];
  if (arch === undefined || ffi === undefined) throw new Error("a hook needs FFI");
  await runHook(numbers, continuation(nodeLibc(ffi), arch));
}
