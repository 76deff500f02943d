/**
 * The classes of the web platform from the runtime's own modules, for a global scope without them.
 *
 * @module
 */

import type { Web } from "../core/web.ts";
import { process } from "./process.ts";

/**
 * Returns the class of that name; undefined if the runtime has none. Its modules are not imported:
 * that of the streams takes Node milliseconds, and an import of `node:util` touches process.stderr,
 * which makes a pipe there non-blocking.
 */
export function webClass(name: keyof Web): unknown {
  const module = name.startsWith("Text") ? "node:util" : "node:stream/web";
  const classes: Partial<Record<keyof Web, unknown>> | undefined = process.getBuiltinModule?.(
    module,
  );
  return classes?.[name];
}
