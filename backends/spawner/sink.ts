/**
 * Writing to a pipe: directly by write(2) as long as there is room, which is enough for most
 * inputs, and through the runtime's event loop once there is none.
 *
 * @module
 */

import type { Sink } from "../../core/backend.ts";
import type { Host } from "./host.ts";
import { E } from "../../core/tables/kernel.ts";

/** Writes to a descriptor without waiting, by FFI or by node:fs. */
export interface Writer {
  /** Writes as much as there is room for. Returns the count, or the negative errno. */
  writeFrom(fd: number, bytes: Uint8Array): number;
  close(fd: number): void;
  /** Returns the error for a negative count. */
  error(call: "write", result: number): Error;
}

/** Returns a sink over a non-blocking descriptor, which it owns. */
export function sinkOf(writer: Writer, host: Pick<Host, "sink">, fd: number): Sink {
  /** Once the pipe was full: the sink of the event loop, which owns the descriptor. */
  let slow: Sink | undefined;
  let isRef = true;
  let closed = false;
  /** Writes as much as there is room for. Returns the rest. */
  const writeNow = (bytes: Uint8Array): Uint8Array => {
    let rest = bytes;
    while (rest.length > 0) {
      const n = writer.writeFrom(fd, rest);
      if (n === -E.EAGAIN) break;
      if (n < 0) throw writer.error("write", n);
      rest = rest.subarray(n);
    }
    return rest;
  };
  const close = () => {
    if (closed) return;
    closed = true;
    if (slow === undefined) writer.close(fd);
    else slow.close();
  };
  return {
    async write(bytes) {
      if (closed) throw writer.error("write", -E.EPIPE);
      const rest = slow === undefined ? writeNow(bytes) : bytes;
      if (rest.length === 0) return;
      if (slow === undefined) {
        slow = host.sink(fd);
        if (!isRef) slow.unref();
      }
      await slow.write(rest);
    },
    async end() {
      if (!closed && slow !== undefined) {
        closed = true;
        await slow.end();
      } else {
        close();
      }
    },
    close,
    ref() {
      isRef = true;
      slow?.ref();
    },
    unref() {
      isRef = false;
      slow?.unref();
    },
  };
}
