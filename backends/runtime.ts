/**
 * The runtime that this process runs on. All three are imported, and none of them does anything
 * when it is: the choice must be synchronous, so that `require()` can load the library, and a bundle
 * may run on another runtime than the one that it was made for.
 *
 * @module
 */

import type { Backend } from "../core/backend.ts";
import type { DriverName } from "../core/drivers.ts";
import { createBackend as onBun } from "./bun/backend.ts";
import { createBackend as onDeno } from "./deno/backend.ts";
import { createBackend as onNode } from "./node/backend.ts";

/** Returns the backend of this process, or the one with a given driver. */
export function createBackend(driver: DriverName | undefined): Backend {
  // Both Deno and Bun have a `process` as Node has.
  if ("Deno" in globalThis) return onDeno(driver);
  return "Bun" in globalThis ? onBun(driver) : onNode(driver);
}
