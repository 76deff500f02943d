/**
 * Where the native driver cannot use FFI, as errors that lead to the next driver.
 *
 * @module
 */

import { isMainThread } from "node:worker_threads";
import { UnsupportedError } from "../core/errors.ts";

/** Returns the error of a runtime on which the native driver cannot use FFI. */
export function ffiUnsupported(reason: string, remedy: string): UnsupportedError {
  return new UnsupportedError({ feature: "FFI", driver: "native", reason, remedy });
}

/**
 * Throws in a worker thread. Node and Bun deliver no signals to it, so the driver would not notice
 * the end of a child.
 */
export function requireMainThread(): void {
  if (!isMainThread) throw ffiUnsupported("this is a worker thread", "use the main thread");
}
