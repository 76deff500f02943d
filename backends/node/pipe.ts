/**
 * Opening a pipe in a worker of Node. There, `fs.open` and `fs.openSync` record what they open, and
 * Node closes what is still recorded when the worker ends. `fs.closeSync` removes the record, but a
 * `net.Socket` that was made from the descriptor does not: at the end of the worker, Node closes
 * whatever has the number by then, such as a file of the main thread.
 *
 * A `FileHandle` is not recorded, since it closes its descriptor itself. It can be made to give
 * that up.
 *
 * @module
 */

import { type FileHandle, open } from "node:fs/promises";
import { Socket } from "node:net";
import { LAST_STANDARD_FD } from "../posix/files.ts";
import { UnsupportedError } from "../../core/errors.ts";

/** Opens a pipe for a `net.Socket`, which is the only one to close its descriptor. */
export async function openUnrecorded(path: string, flags: number): Promise<number> {
  const low: number[] = [];
  try {
    for (;;) {
      const fd = await releaseFd(await open(path, flags));
      if (fd > LAST_STANDARD_FD) return fd;
      // It is the number of a standard stream that this process has closed.
      low.push(fd);
    }
  } finally {
    for (const fd of low) new Socket({ fd }).destroy();
  }
}

/**
 * Takes the descriptor from a FileHandle, by a method that Node does not document. Throws an
 * UnsupportedError without it, since no other way is safe.
 */
async function releaseFd(file: FileHandle): Promise<number> {
  const { fd } = file;
  for (const symbol of Object.getOwnPropertySymbols(file)) {
    const handle = (file as unknown as Record<symbol, { releaseFD?: unknown } | undefined>)[symbol];
    if (typeof handle?.releaseFD !== "function") continue;
    handle.releaseFD();
    return fd;
  }
  await file.close();
  throw new UnsupportedError({
    feature: "pipes in a worker",
    driver: "launcher",
    reason: "this Node keeps a record of all descriptors that a worker opens",
    remedy: "start programs in the main thread",
  });
}
