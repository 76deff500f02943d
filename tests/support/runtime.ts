/**
 * Programs of the suite that run in a runtime of their own, the same one that runs the tests: for
 * what must be so from a process's first moment on, and for what ends a process.
 *
 * @module
 */

import { chmodSync } from "node:fs";
import { fileURLToPath } from "node:url";
import process from "node:process";
import { type Argument, Command } from "../../mod.ts";
import type { Context } from "./harness.ts";

/** The argument list that runs a program of tests/support/programs/ in this runtime. */
export function programArgv(name: string, ...args: string[]): string[] {
  const path = fileURLToPath(new URL(`programs/${name}.ts`, import.meta.url));
  const flags = "Deno" in globalThis ? ["run", "-A", "--quiet", "--no-check"] : [];
  return [process.execPath, ...flags, path, ...args];
}

/**
 * The same for a program that may write no large files: Deno writes what it has compiled to one,
 * whenever it likes.
 */
export function limitedProgramArgv(name: string, ...args: string[]): string[] {
  const [runtime = "", ...rest] = programArgv(name, ...args);
  if ("Deno" in globalThis) rest.splice(1, 0, "--no-code-cache");
  return [runtime, ...rest];
}

/** Runs such a program. */
export function program(name: string, ...args: string[]): Command {
  return Command.from(programArgv(name, ...args));
}

/**
 * Runs such a program from a shell that first does something: `exec 0<&-`, `trap '' USR1`. The
 * shell stays as its parent if `preparation` ends in something else than `exec`'s doing.
 */
export function preparedProgram(preparation: string, argv: readonly Argument[]): Command {
  return new Command("sh", "-c", `${preparation}\nexec "$@"`, "sh", ...argv);
}

/** The variable that names where Deno keeps what it compiles, whichever user it runs as. */
export function denoDirFor(t: Context): { readonly DENO_DIR: string } {
  const folder = t.folder();
  chmodSync(folder, 0o777);
  return { DENO_DIR: folder };
}
