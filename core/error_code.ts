/**
 * Errors of the runtimes, and their `code`, as Node, Bun and Deno set it.
 *
 * @module
 */

/**
 * Reports whether a value is an error, of any realm: in a realm of `node:vm`, as test runners
 * have them, the errors of the runtime's own modules are of another one.
 */
export function isError(value: unknown): value is Error {
  if (value instanceof Error) return true;
  const tag = Object.prototype.toString.call(value);
  return tag === "[object Error]" || tag === "[object DOMException]";
}

/** Returns the code of a runtime's error, such as `"ENOENT"`; undefined if it has none. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  const { code } = error as { readonly code?: unknown };
  return typeof code === "string" ? code : undefined;
}
