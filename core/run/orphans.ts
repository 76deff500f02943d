/**
 * Reaping orphans, for a process that is the first one of a container.
 *
 * @module
 */

import { chosenBackend } from "./chosen_backend.ts";
import { UnsupportedError } from "../errors.ts";
import { own } from "../own.ts";

/** Options of {@linkcode reapOrphans}. */
export interface ReapOptions {
  /**
   * Whether this process becomes a child subreaper, see PR_SET_CHILD_SUBREAPER(2const), until
   * disposal: it gets the orphans among its own descendants, as process 1 gets all. Default false.
   */
  readonly subreaper?: boolean;
}

/**
 * Reaps orphans until the returned object is disposed. A process whose parent has ended is given to
 * process 1 of its pid namespace: in a container that can be this one. When such a process ends, it
 * stays as a zombie until its new parent reaps it. That goes for daemons of this library as well.
 *
 * A child that ended 0.8 seconds ago and was reaped by nobody counts as an orphan. Children of this
 * library, of the runtime and of worker threads keep their exit status. Other native code that
 * starts processes in the main thread must wait for them within that time.
 *
 * Does not keep the event loop alive. May be called several times; the last disposal counts.
 *
 * @throws {UnsupportedError} There is no FFI, this is a worker, or /proc is of another namespace.
 *
 * @example
 * ```ts
 * import { backendInfo, reapOrphans } from "@vircommand/vircommand";
 *
 * if (backendInfo().driver === "native") reapOrphans();
 * ```
 */
export function reapOrphans(options: ReapOptions = {}): Disposable {
  const { subreaper = false } = own(options);
  const stop = reaping(subreaper);
  return { [Symbol.dispose]: stop };
}

function reaping(subreaper: boolean): () => void {
  const refusal = (reason: string, cause?: unknown) =>
    new UnsupportedError({
      feature: "reapOrphans",
      driver: "native",
      reason,
      remedy: "use a runtime with FFI on Linux, in the main thread",
      cause,
    });
  let native;
  try {
    native = chosenBackend("native");
  } catch (error) {
    throw refusal(error instanceof Error ? error.message : String(error), error);
  }
  if (native.reapOrphans === undefined) throw refusal("this is a worker");
  return native.reapOrphans(subreaper);
}
