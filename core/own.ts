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

/** What every object has from birth; V8's and JavaScriptCore's own are the same. */
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

/** Whether it has been asked and nothing can change meanwhile, since only code of ours runs. */
let isClean = false;

/**
 * Whether somebody has set a property that all objects inherit. Where many small objects are read,
 * that is asked once, and only then are they copied with {@linkcode own}.
 */
export function isPolluted(): boolean {
  if (isClean) return false;
  for (const key of Reflect.ownKeys(Object.prototype)) if (!STANDARD.has(key)) return true;
  return false;
}

/**
 * An object's own properties, for what every start makes: to copy a few costs less than to ask
 * whether there are others.
 */
export function guarded<T extends object>(object: T): T {
  return isClean ? object : own(object);
}

/**
 * Calls `action`, a function of the runtime, while no object inherits such a property: Node makes
 * the sockets of a child from options of its own, which do. Only what happens before it returns is
 * protected; a property that cannot be removed for that long stays.
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
