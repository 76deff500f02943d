/**
 * The `process` of this runtime, without an import. `import process from "node:process"` makes Node
 * compute all exports of that module, and so call the getters of the standard streams. A stream
 * over a pipe sets O_NONBLOCK, which belongs to the open file description: all processes that share
 * it see the change. Importing a library must not have this effect.
 *
 * @module
 */

import type nodeProcess from "node:process";

/** The same object that `node:process` exports. */
export const process: typeof nodeProcess =
  (globalThis as unknown as { process: typeof nodeProcess }).process;
