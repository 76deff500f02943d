/**
 * Options as own properties. A property of `Object.prototype` must not set a folder, a user or a time
 * limit for every program that is started afterwards.
 *
 * @module
 */

/** Returns a copy of an object's own properties, without a prototype. */
export function own<T extends object>(options: T): T {
  return Object.assign(Object.create(null) as T, options);
}

/**
 * The same object without the properties that are undefined, for an object in which a missing
 * property and an undefined one differ.
 */
export function defined<T extends object>(properties: T): Defined<T> {
  const entries = Object.entries(properties).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Defined<T>;
}

/** `T` with every property that may be undefined made optional. */
export type Defined<T> =
  & { [K in keyof T as undefined extends T[K] ? never : K]: T[K] }
  & { [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined> };

/** The standard properties of `Object.prototype`, the same in V8 and JavaScriptCore. */
const STANDARD: ReadonlySet<string | symbol> = new Set([
  "constructor",
  "hasOwnProperty",
  "isPrototypeOf",
  "propertyIsEnumerable",
  "toLocaleString",
  "toString",
  "valueOf",
  "__defineGetter__",
  "__defineSetter__",
  "__lookupGetter__",
  "__lookupSetter__",
  "__proto__",
]);

/** Whether the prototype was checked, and only code of this library has run since. */
let isClean = false;

/**
 * Reports whether `Object.prototype` has a property that it should not have. Code that reads many
 * small objects checks this once, and copies them with {@linkcode own} only if it is so.
 */
export function isPolluted(): boolean {
  if (isClean) return false;
  for (const key of Reflect.ownKeys(Object.prototype)) if (!STANDARD.has(key)) return true;
  return false;
}

/**
 * Returns an object with its own properties only, for the objects of every start. To copy a few
 * properties costs less than to check the prototype.
 */
export function guarded<T extends object>(object: T): T {
  return isClean ? object : own(object);
}

/**
 * Calls `action`, a function of the runtime, while `Object.prototype` has only standard properties.
 * Node makes the sockets of a child from objects that inherit. Only the synchronous part is
 * protected, and a property that cannot be removed stays.
 */
export function shielded<T>(action: () => T): T {
  if (isClean) return action();
  if (!isPolluted()) {
    isClean = true;
    try {
      return action();
    } finally {
      isClean = false;
    }
  }
  const hidden: [string | symbol, PropertyDescriptor][] = [];
  for (const key of Reflect.ownKeys(Object.prototype)) {
    const property = Object.getOwnPropertyDescriptor(Object.prototype, key);
    if (STANDARD.has(key) || property?.configurable !== true) continue;
    hidden.push([key, own(property)]);
    Reflect.deleteProperty(Object.prototype, key);
  }
  try {
    return action();
  } finally {
    for (const [key, property] of hidden) Object.defineProperty(Object.prototype, key, property);
  }
}
