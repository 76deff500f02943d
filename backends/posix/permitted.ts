/**
 * Deno's permissions for files and connections. Deno prompts the user for a permission that was not granted. Where
 * this library reads a file only if it may, it queries the permission first.
 *
 * @module
 */

interface Permissions {
  querySync(what: { name: string; path?: string }): { readonly state: string };
}

/** Reports whether this process may read or write a path without a prompt. */
export function isPermitted(name: "read" | "write", path: string): boolean {
  const { Deno } = globalThis as { Deno?: { readonly permissions: Permissions } };
  return Deno === undefined || Deno.permissions.querySync({ name, path }).state === "granted";
}

/** Reports whether this process may open any connection without a prompt. */
export function isNetPermitted(): boolean {
  const { Deno } = globalThis as { Deno?: { readonly permissions: Permissions } };
  return Deno === undefined || Deno.permissions.querySync({ name: "net" }).state === "granted";
}
