/**
 * How a hook is run on Node.
 *
 * @module
 */

import process from "node:process";
import { type Continue, hookCode, type HookNumbers, runHook } from "../hook.ts";
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
  const native = arch !== undefined && ffi !== undefined;
  await runHook(numbers, native ? continuation(nodeLibc(ffi), arch) : continueWithoutFfi);
}

/** Whether a process can become another one without FFI: since Node 22.15. */
export function hasExecve(): boolean {
  return typeof execveOf() === "function";
}

/** The second half finds the descriptors by numbers that Node has left alone. */
const continueWithoutFfi: Continue = (image) => {
  const execve = execveOf();
  // ENOSYS
  if (execve === undefined) return { errno: 38 };
  execve(`/proc/self/fd/${image}`, ["vircommand"], {});
  // It does not return; if it fails, Node ends the process, and the parent hears that.
  return { errno: 5 };
};

type Execve = (path: string, argv: readonly string[], env: Record<string, string>) => void;

function execveOf(): Execve | undefined {
  const { execve } = process as { execve?: Execve };
  return execve?.bind(process);
}
