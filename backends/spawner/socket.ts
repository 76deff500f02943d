/**
 * Pipes through `net.Socket`, for Node and Deno: libuv and tokio wait for them in the event loop,
 * and read straight into a buffer of ours, which is twice as fast as "data" events.
 *
 * @module
 */

import type { Socket, SocketConstructorOpts } from "node:net";
import type { Receiver, Sink, Source } from "../../core/backend.ts";
import { writableSink } from "./node_streams.ts";

/** `net.Socket`, handed in so that only the runtimes that use it load it. */
export type SocketClass = new (options: SocketConstructorOpts) => Socket;

/** The size of a read buffer, in bytes: what a pipe holds by default. */
const BUFFER = 64 * 1024;

/** How many read buffers are kept for the next child. */
const KEPT = 16;

const buffers: Uint8Array[] = [];

/**
 * Options that a socket looks for, and copies with all that its objects inherit: each is set, so
 * that nobody can set it for all sockets.
 */
const NOTHING_INHERITED = {
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

/** A source over a non-blocking pipe. */
export function socketSource(SocketClass: SocketClass, fd: number): Source {
  const buffer = buffers.pop() ?? new Uint8Array(BUFFER);
  let receiver: Receiver | undefined;
  let paused = true;
  let over = false;
  const socket = new SocketClass({
    ...NOTHING_INHERITED,
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
    if (buffers.length < KEPT) buffers.push(buffer);
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

/** A sink over a non-blocking pipe. */
export function socketSink(SocketClass: SocketClass, fd: number): Sink {
  return writableSink(
    new SocketClass({ ...NOTHING_INHERITED, fd, readable: false, writable: true }),
  );
}
