/**
 * The type of a value, for messages.
 *
 * @module
 */

/** Names the type of a value, for a message about a value of the wrong type. */
export function typeName(value: unknown): string {
  return value === null ? "null" : isArray(value) ? "an array" : typeof value;
}

/** `Array.isArray`, which throws for a revoked proxy. */
function isArray(value: unknown): boolean {
  try {
    return Array.isArray(value);
  } catch {
    return false;
  }
}
