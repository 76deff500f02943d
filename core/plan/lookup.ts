/**
 * Where a program is found. A name without a slash is looked up in PATH, in the parent, before
 * anything is started: in the child's PATH if the command sets one, else in the parent's.
 *
 * @module
 */

import type { Access } from "../system.ts";
import { absolute } from "../text/path.ts";
import { join } from "../text/path.ts";

/** Where a program was found, or why not. */
export type Found =
  | { readonly path: string }
  | { readonly code: "ENOENT" | "EACCES"; readonly path: string };

/** The search path of a system that says nothing, see execvp(3). */
export const DEFAULT_PATH = "/bin:/usr/bin";

/**
 * Finds `name`. A name with a slash is no subject of a search: it is made absolute from `cwd` and
 * left to execve(2) to judge. In a search, an empty entry of PATH is the current folder, and a
 * file that may not be executed is passed over and remembered, so that the answer is EACCES if
 * nothing better comes.
 */
export function findProgram(
  name: string,
  path: string | undefined,
  cwd: () => string,
  access: (path: string) => Access,
): Found {
  if (name.includes("/")) return { path: name.startsWith("/") ? name : absolute(name, cwd()) };
  let denied: string | undefined;
  for (const entry of (path ?? DEFAULT_PATH).split(":")) {
    const folder = entry.startsWith("/") ? entry : absolute(entry, cwd());
    const candidate = join(folder, name);
    const answer = access(candidate);
    if (answer === "ok") return { path: candidate };
    if (answer === "unknown") return { path: name };
    if (answer === "EACCES") denied ??= candidate;
  }
  return denied === undefined ? { code: "ENOENT", path: name } : { code: "EACCES", path: denied };
}
