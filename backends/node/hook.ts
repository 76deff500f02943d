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
import { E } from "../../core/tables/kernel.ts";
import type { HookCommand } from "../child_program/hook_split.ts";
import type { Execve } from "../launcher/exec.ts";
import { nodeFfi, nodeLibc, withoutWarnings } from "./libc.ts";
import { permissionFlags } from "./permission_flags.ts";

/** Returns how to execute Node again, with the permissions of this process. */
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

/** Runs the hook in that process. */
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

/**
 * Continues by `process.execve`. The second half finds its descriptors at numbers that Node does
 * not mark.
 */
const continueWithoutFfi: Continue = (image) => {
  const execve = execveOf();
  if (execve === undefined) return { errno: E.ENOSYS };
  execve(`/proc/self/fd/${image}`, ["vircommand"], {});
  // It never returns. If it fails, Node ends the process, which the parent notices.
  return { errno: E.EIO };
};

/** Returns how this process becomes another program without FFI; undefined before Node 22.15. */
export function execveOf(): Execve | undefined {
  const { execve } = process as { execve?: Execve };
  if (execve === undefined) return undefined;
  return (path, argv, env) => withoutWarnings(() => execve.call(process, path, argv, env));
}
