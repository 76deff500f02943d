/**
 * The `process` of this runtime, without importing it. `import process from "node:process"` makes
 * Node fill in all exports of that module, and so call the getters of the standard streams. A stream
 * over a pipe sets O_NONBLOCK, which belongs to the open file description: every process that shares
 * it sees the change. Importing a library must not do that.
 *
 * @module
 */

import type nodeProcess from "node:process";

/** The same object that `node:process` exports. */
export const process: typeof nodeProcess =
  (globalThis as unknown as { process: typeof nodeProcess }).process;
