/**
 * Our ends of pipes into children. When this thread is terminated, a child that reads there must see
 * the end of file; so where that can happen, the runtime owns the descriptors.
 *
 * @module
 */

import type { Sink } from "../../core/backend.ts";
import type { Host } from "../spawner/host.ts";
import type { Kernel } from "./kernel.ts";
import { F, O } from "../../core/tables/kernel.ts";
import { sinkOf } from "../spawner/sink.ts";

/** The descriptor to use instead, which only {@linkcode closeAdopted} closes. */
export function adopted(kernel: Kernel, host: Host, fd: number): number {
  const own = host.adopt?.(fd, O.WRONLY);
  if (own === undefined) return fd;
  kernel.close(fd);
  return own;
}

/** Closes what may have been adopted. */
export function closeAdopted(kernel: Kernel, host: Host, fd: number): void {
  if (host.adopt === undefined || host.closeRecorded?.(fd) !== true) kernel.close(fd);
}

/** A sink over a non-blocking pipe, which it owns. */
export function adoptedSink(kernel: Kernel, host: Host, fd: number): Sink {
  const own = adopted(kernel, host, fd);
  if (own === fd) return sinkOf(kernel, host, fd);
  // A socket must have a descriptor that the runtime has no record of.
  const sink = (recorded: number) => {
    const copy = kernel.call("fcntl", recorded, F.DUPFD_CLOEXEC, 0);
    closeAdopted(kernel, host, recorded);
    return host.sink(copy);
  };
  const writer = {
    writeFrom: (to: number, bytes: Uint8Array) => kernel.writeFrom(to, bytes),
    close: (of: number) => closeAdopted(kernel, host, of),
    error: (call: "write", result: number) => kernel.error(call, result),
  };
  return sinkOf(writer, { sink }, own);
}
