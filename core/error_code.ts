/**
 * The `code` of an error, as Node, Bun and Deno set it.
 *
 * @module
 */

/** Returns the code of a runtime's error, such as `"ENOENT"`; undefined if it has none. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  const { code } = error as { readonly code?: unknown };
  return typeof code === "string" ? code : undefined;
}
