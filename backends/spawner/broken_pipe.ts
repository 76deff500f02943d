/**
 * The error of a sink that nobody reads from any more, the same whatever the runtime throws.
 *
 * @module
 */

/** Makes it. */
export function brokenPipe(cause?: unknown): Error {
  const options = cause === undefined ? {} : { cause };
  return Object.assign(new Error("write EPIPE", options), { code: "EPIPE" });
}
