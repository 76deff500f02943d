/**
 * Writing through a file of Bun's.
 *
 * @module
 */

import { type InterruptibleWrites, interruptibleWrites } from "../spawner/interruptible_writes.ts";
import type { BunFileSink } from "./runtime.ts";

/**
 * Returns writes through a file, which Bun may leave pending when the reader has closed the pipe.
 */
export function fileWrites(writer: BunFileSink): InterruptibleWrites {
  return interruptibleWrites((bytes) => Promise.all([writer.write(bytes), writer.flush()]));
}
