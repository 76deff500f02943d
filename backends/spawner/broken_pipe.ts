/**
 * The error of a sink that nobody reads from any more, the same whatever the runtime throws.
 *
 * @module
 */

import { SystemCallError } from "../../core/errors.ts";

const EPIPE = 32;

/** Makes it. */
export function brokenPipe(cause?: unknown): SystemCallError {
  return new SystemCallError("write", EPIPE, { cause });
}
