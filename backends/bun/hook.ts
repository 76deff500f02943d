/**
 * How a hook is run on Bun.
 *
 * @module
 */

import { process } from "../process.ts";
import { hookCommandOf } from "../hook/runtime.ts";
import type { HookCommand, HookRequest } from "../child_program/hook_start.ts";
import { trusted } from "../posix/elevated.ts";
import { bun } from "./runtime.ts";

/** Returns how a hook is run. */
export function bunHook(request: HookRequest): HookCommand {
  return hookCommandOf({
    name: "bun",
    path: () => process.execPath,
    application: () => isCompiled() ? "this program was made by bun build --compile" : undefined,
    embeds: (module) => EMBEDDED.test(module),
    variable: () => trusted(process.env["VIRCOMMAND_RUNTIME"]),
  }, request);
}

/** Where a compiled program has its own files. */
const EMBEDDED = /^file:\/\/\/(\$|%24)bunfs\//;

/** Whether this is a program of `bun build --compile`. */
function isCompiled(): boolean {
  // Older releases do not say so, but name the program as no command line does.
  return bun.isStandaloneExecutable ?? process.argv[0] === "bun";
}
