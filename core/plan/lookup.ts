/**
 * How a program is found. A name without a slash is looked up in PATH by the parent, before anything
 * is started: in the child's PATH if the command sets one, otherwise in the parent's.
 *
 * @module
 */

import type { Access } from "../system.ts";
import { absolute, join } from "../text/path.ts";

/** The path of a program, or why it was not found. */
export type Found =
  | { readonly path: string }
  | { readonly code: "ENOENT" | "EACCES"; readonly path: string };

/** The search path if PATH is not set, see execvp(3). */
export const DEFAULT_PATH = "/bin:/usr/bin";

/**
 * Finds `name`. A name with a slash is made absolute from `cwd`, and not checked: execve(2) does
 * that. In a search, an empty entry of PATH is the current folder. A file that may not be executed
 * is skipped, and the result is EACCES if no other is found.
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
