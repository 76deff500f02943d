/**
 * The error of a write that nobody reads, the same whatever the runtime throws.
 *
 * @module
 */

import { SystemCallError } from "../../core/errors.ts";
import { E } from "../../core/tables/kernel.ts";

/** Returns the error: EPIPE of write(2). */
export function brokenPipe(cause?: unknown): SystemCallError {
  return new SystemCallError("write", E.EPIPE, { cause });
}
