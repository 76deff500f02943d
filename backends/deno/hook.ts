/**
 * How a hook is run on Deno.
 *
 * @module
 */

import { hookCommandOf, type OwnRuntime } from "../hook/runtime.ts";
import type { HookCommand, HookRequest } from "../child_program/hook_start.ts";

/** Returns how a hook is run, given how variables of this process are read. */
export function denoHook(variable: OwnRuntime["variable"]): (request: HookRequest) => HookCommand {
  return (request) =>
    hookCommandOf({
      name: "deno",
      path: () => Deno.execPath(),
      application: () => isCompiled() ? "this program was made by deno compile" : undefined,
      embeds: (module) => isCompiled() && module.startsWith(embeddedFiles()),
      permissions: permissionFlags,
      isRestricted: () => permissionFlags().join() !== ALL.join(),
      variable,
    }, request);
}

/** Whether this is a program of `deno compile`. */
function isCompiled(): boolean {
  return Deno.build.standalone === true;
}

/**
 * The folder that the files of the program seem to be in. It is not there, and below the temporary
 * folder: whoever makes it must not be able to choose what a hook runs.
 */
function embeddedFiles(): string {
  const { mainModule } = Deno;
  return /^file:\/\/.*?\/deno-compile-[^/]+\//.exec(mainModule)?.[0] ??
    new URL(".", mainModule).href;
}

const ALL = ["--allow-all"];

/** The kinds of permission besides FFI. */
const KINDS = ["read", "write", "net", "env", "run", "sys", "import"] as const;

/**
 * The flags for the kinds of permission that this process has without exceptions. A partial
 * permission, such as for some folders, cannot be queried; a hook does not get it.
 */
function permissionFlags(): readonly string[] {
  const kinds = KINDS.filter((name) => {
    const { state, partial } = Deno.permissions.querySync({ name });
    return state === "granted" && !partial;
  });
  const { partial } = Deno.permissions.querySync({ name: "ffi" });
  if (kinds.length === KINDS.length && !partial) return ALL;
  // The driver that runs hooks needs FFI.
  return [...kinds, "ffi"].map((name) => `--allow-${name}`);
}
