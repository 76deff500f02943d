/**
 * How a hook is run on Node.
 *
 * @module
 */

import { process } from "../process.ts";
import { type Continue, hookCode, nodeSystem, runHook } from "../hook.ts";
import type { HookNumbers } from "../child_program/hook_start.ts";
import { continuation } from "../native/continue.ts";
import { archNamed } from "../child_program/arch_named.ts";
import type { HookCommand } from "../child_program/hook_split.ts";
import type { Execve } from "../launcher/exec.ts";
import { nodeFfi, nodeLibc, withoutWarnings } from "./libc.ts";
import { permissionFlags } from "./permission_flags.ts";

/** Executes Node again, with the permissions of this process. */
export const hookCommand: HookCommand = (start) => ({
  path: process.execPath,
  argv: [
    process.execPath,
    "--no-warnings",
    ...permissionFlags(process),
    "-e",
    hookCode(import.meta.url, start),
  ],
});

/** What runs there. */
export async function hookMain(
  numbers: HookNumbers,
  load: () => Promise<Record<string, unknown>>,
): Promise<void> {
  const [arch, ffi] = [archNamed(process.arch), nodeFfi()];
  const go = arch !== undefined && ffi !== undefined
    ? continuation(nodeLibc(ffi), arch)
    : continueWithoutFfi;
  await runHook(numbers, load, nodeSystem, go);
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
