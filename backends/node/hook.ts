/**
 * How a hook is run on Node.
 *
 * @module
 */

import { process } from "../process.ts";
import { hookCommandOf } from "../hook/runtime.ts";
import type { HookCommand, HookRequest } from "../child_program/hook_start.ts";
import type { Execve } from "../launcher/exec.ts";
import { trusted } from "../posix/elevated.ts";
import { withoutWarnings } from "./libc.ts";
import { permissionFlags } from "./permission_flags.ts";

/** Returns how a hook is run. */
export function nodeHook(request: HookRequest): HookCommand {
  return hookCommandOf({
    name: "node",
    path: () => process.execPath,
    application,
    permissions: () => permissionFlags(process),
    isRestricted: () => permissionFlags(process).length > 0,
    variable: () => trusted(process.env["VIRCOMMAND_RUNTIME"]),
  }, request);
}

/** Why the executable is an application: single executable applications, and what embeds Node. */
function application(): string | undefined {
  // There since Node 20.12. Hooks need a newer one.
  const sea = process.getBuiltinModule?.("node:sea");
  if (sea?.isSea() === true) return "this program is a single executable application";
  if (process.versions["electron"] !== undefined) return "this program is an Electron application";
  if ("pkg" in process) return "this program was made by pkg";
  return undefined;
}

/** How a process becomes another one without FFI: since Node 22.15. */
export function execveOf(): Execve | undefined {
  const { execve } = process as { execve?: Execve };
  if (execve === undefined) return undefined;
  return (path, argv, env) => withoutWarnings(() => execve.call(process, path, argv, env));
}
