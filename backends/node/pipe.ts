/**
 * Opening a pipe in a worker of Node. There, `fs.open` and `fs.openSync` put what they open on a
 * list, and what is still on it is closed when the worker ends. `fs.closeSync` takes it off the
 * list, but a `net.Socket` that was given the descriptor does not: at the worker's end, whatever
 * has that number by then is closed, such as a file of the main thread.
 *
 * A `FileHandle` is on no list, since it closes its descriptor itself; and it can be made to leave
 * that to somebody else.
 *
 * @module
 */

import { type FileHandle, open } from "node:fs/promises";
import { Socket } from "node:net";
import { UnsupportedError } from "../../core/errors.ts";

/** Opens a pipe for a `net.Socket`, which is the only one to close it. */
export async function openUnrecorded(path: string, flags: number): Promise<number> {
  const low: number[] = [];
  try {
    for (;;) {
      const fd = await released(await open(path, flags));
      if (fd > 2) return fd;
      // The number of a standard stream that this process has closed.
      low.push(fd);
    }
  } finally {
    for (const fd of low) new Socket({ fd }).destroy();
  }
}

/** Nobody documents it; without it there is no way that harms nobody, and that is said. */
async function released(file: FileHandle): Promise<number> {
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
