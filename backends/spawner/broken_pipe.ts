/**
 * The error of a sink that nobody reads from any more, the same whatever the runtime throws.
 *
 * @module
 */

import { SystemCallError } from "../../core/errors.ts";
import { E } from "../../core/tables/kernel.ts";

/** Makes it. */
export function brokenPipe(cause?: unknown): SystemCallError {
  return new SystemCallError("write", E.EPIPE, { cause });
}
