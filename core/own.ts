/**
 * Options as own properties. Whoever can set a property of `Object.prototype` must not be able to
 * choose a folder, a user or a time limit for every program that is started afterwards.
 *
 * @module
 */

/** A copy of the object's own properties that inherits from nothing. */
export function own<T extends object>(options: T): T {
  return Object.assign(Object.create(null) as T, options);
}
