/**
 * Deno's permissions for files. Deno asks its user for what was not granted: so what this library
 * only looks at because it would be good to know, it asks Deno about first.
 *
 * @module
 */

interface Permissions {
  querySync(what: { name: string; path: string }): { readonly state: string };
}

/** Whether this process may look at a path or change it without anybody being asked. */
export function isPermitted(name: "read" | "write", path: string): boolean {
  const { Deno } = globalThis as { Deno?: { readonly permissions: Permissions } };
  return Deno === undefined || Deno.permissions.querySync({ name, path }).state === "granted";
}
