/**
 * Descriptors that are open for one start.
 *
 * @module
 */

import type { Kernel } from "./kernel.ts";

/** Descriptors that are closed together, unless they get another owner before. */
export class OpenFds {
  readonly #kernel: Kernel;
  readonly #fds = new Set<number>();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** Takes a descriptor over, and returns it. */
  own(fd: number): number {
    this.#fds.add(fd);
    return fd;
  }

  /** Opens a pipe. */
  pipe(): { read: number; write: number } {
    const ends = this.#kernel.pipe();
    this.own(ends.read);
    this.own(ends.write);
    return ends;
  }

  /** Hands a descriptor over: the caller closes it. */
  release(fd: number): void {
    this.#fds.delete(fd);
  }

  close(): void {
    for (const fd of this.#fds) this.#kernel.close(fd);
    this.#fds.clear();
  }
}
