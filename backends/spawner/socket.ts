/**
 * Pipes through `net.Socket`, for Node and Deno. It reads directly into a buffer of ours, which is
 * twice as fast as "data" events.
 *
 * @module
 */

import type { Socket, SocketConstructorOpts } from "node:net";
import type { Receiver, Sink, Source } from "../../core/backend.ts";
import { writableSink } from "./node_streams.ts";

/** The class `net.Socket`, a parameter so that only the runtimes that use it load it. */
export type SocketClass = new (options: SocketConstructorOpts) => Socket;

/** The size of a read buffer, in bytes: what a pipe holds by default, see pipe(7). */
const BUFFER_SIZE = 64 * 1024;

/** How many read buffers are kept for later children. */
const MAX_SPARE_BUFFERS = 16;

const spareBuffers: Uint8Array[] = [];

/**
 * All options that a socket reads. It would read inherited properties for missing ones, so that
 * somebody could set them for all sockets on Object.prototype.
 */
const ALL_OPTIONS = {
  signal: undefined,
  handle: undefined,
  allowHalfOpen: false,
  objectMode: undefined,
  highWaterMark: undefined,
  encoding: undefined,
  read: undefined,
  write: undefined,
  writev: undefined,
  destroy: undefined,
  final: undefined,
  construct: undefined,
  noDelay: undefined,
  keepAlive: undefined,
} as SocketConstructorOpts;

/** Returns a source over a non-blocking pipe, which it owns. */
export function socketSource(SocketClass: SocketClass, fd: number): Source {
  const buffer = spareBuffers.pop() ?? new Uint8Array(BUFFER_SIZE);
  let receiver: Receiver | undefined;
  let paused = true;
  let over = false;
  const socket = new SocketClass({
    ...ALL_OPTIONS,
    fd,
    readable: true,
    writable: false,
    onread: {
      buffer,
      callback: (length) => {
        if (!over) receiver?.chunk(buffer.subarray(0, length), true);
        return !paused;
      },
    },
  });
  const finish = (error?: Error) => {
    if (over) return;
    over = true;
    receiver?.end(error);
  };
  socket.on("end", () => finish());
  socket.on("error", finish);
  socket.on("close", () => {
    finish();
    if (spareBuffers.length < MAX_SPARE_BUFFERS) spareBuffers.push(buffer);
  });
  return {
    start(to) {
      receiver = to;
      paused = false;
      socket.resume();
    },
    pause() {
      paused = true;
      socket.pause();
    },
    resume() {
      if (!paused || receiver === undefined) return;
      paused = false;
      socket.resume();
    },
    close() {
      over = true;
      socket.destroy();
    },
    ref: () => void socket.ref(),
    unref: () => void socket.unref(),
  };
}

/** Returns a sink over a non-blocking pipe, which it owns. */
export function socketSink(SocketClass: SocketClass, fd: number): Sink {
  return writableSink(
    new SocketClass({ ...ALL_OPTIONS, fd, readable: false, writable: true }),
  );
}
