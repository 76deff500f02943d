/**
 * How a hook is run on Node.
 *
 * @module
 */

import process from "node:process";
import { type Continue, hookCode, type HookNumbers, runHook } from "../hook.ts";
import { continuation } from "../linux/continue.ts";
import { archNamed } from "../linux/arch_named.ts";
import type { HookCommand } from "../linux/hook_split.ts";
import type { Execve } from "../launcher/exec.ts";
import { nodeFfi, nodeLibc, withoutWarnings } from "./libc.ts";

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

/** The second half finds the descriptors by numbers that Node has left alone. */
const continueWithoutFfi: Continue = (image) => {
  const execve = execveOf();
  // ENOSYS
  if (execve === undefined) return { errno: 38 };
  execve(`/proc/self/fd/${image}`, ["vircommand"], {});
  // It does not return; if it fails, Node ends the process, and the parent hears that.
  return { errno: 5 };
};

/** How a process becomes another one without FFI: since Node 22.15. */
export function execveOf(): Execve | undefined {
  const { execve } = process as { execve?: Execve };
  if (execve === undefined) return undefined;
  return (path, argv, env) => withoutWarnings(() => execve.call(process, path, argv, env));
}
