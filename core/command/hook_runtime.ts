/**
 * The runtimes that can run a hook.
 *
 * @module
 */

/** A runtime's name. */
export type RuntimeName = "deno" | "bun" | "node";

/** Returns which runtime an executable is, by the name of its file; undefined if by none. */
export function runtimeNamed(path: string): RuntimeName | undefined {
  const name = /^(deno|bun|node)/i.exec(path.slice(path.lastIndexOf("/") + 1))?.[1];
  return name?.toLowerCase() as RuntimeName | undefined;
}
