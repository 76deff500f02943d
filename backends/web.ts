/**
 * The classes of the web platform from the runtime's own modules, for a global scope without them.
 *
 * @module
 */

import { TextDecoder, TextEncoder } from "node:util";
import type { Web } from "../core/web.ts";
import { process } from "./process.ts";

/** Returns the class of that name; undefined if the runtime has none. */
export function webClass(name: keyof Web): unknown {
  if (name === "TextEncoder") return TextEncoder;
  if (name === "TextDecoder") return TextDecoder;
  // Not imported, since that takes Node milliseconds, and most global scopes have them.
  const streams: Partial<Record<keyof Web, unknown>> | undefined = process.getBuiltinModule?.(
    "node:stream/web",
  );
  return streams?.[name];
}
