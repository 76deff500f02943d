/**
 * Pipes through `net.Socket`, for Node and Deno: libuv and tokio wait for them in the event loop,
 * and read straight into a buffer of ours, which is twice as fast as "data" events.
 *
 * @module
 */

import type { Socket, SocketConstructorOpts } from "node:net";
import type { Receiver, Sink, Source } from "../../core/backend.ts";

/** `net.Socket`, handed in so that only the runtimes that use it load it. */
export type SocketClass = new (options: SocketConstructorOpts) => Socket;

/** The size of a read buffer, in bytes: what a pipe holds by default. */
const BUFFER = 64 * 1024;

/** How many read buffers are kept for the next child. */
const KEPT = 16;

const buffers: Uint8Array[] = [];

/** A source over a non-blocking pipe. */
export function socketSource(SocketClass: SocketClass, fd: number): Source {
  const buffer = buffers.pop() ?? new Uint8Array(BUFFER);
  let receiver: Receiver | undefined;
  let paused = true;
  let over = false;
  const socket = new SocketClass({
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
    hold: (held) => held ? socket.ref() : socket.unref(),
  };
}

/** A sink over a non-blocking pipe. */
export function socketSink(SocketClass: SocketClass, fd: number): Sink {
  const socket = new SocketClass({ fd, readable: false, writable: true });
  let failure: Error | undefined;
  // Reported by the write that meets it; unheard, the event would end the process.
  socket.on("error", (error) => failure ??= error);
  let closed = false;
  const brokenPipe = () => Object.assign(new Error("write EPIPE"), { code: "EPIPE" });
  // What was being written when we closed it fails in the runtime's own ways.
  const reason = (error?: Error) => (closed ? undefined : error ?? failure) ?? brokenPipe();
  return {
    write: (bytes) =>
      new Promise((resolve, reject) => {
        if (socket.destroyed) return reject(reason());
        const gone = () => reject(reason());
        socket.once("close", gone);
        socket.write(bytes, (error) => {
          socket.off("close", gone);
          if (error) reject(reason(error));
          else resolve();
        });
      }),
    end: () =>
      new Promise((resolve) => {
        if (socket.destroyed) return resolve();
        socket.once("close", () => resolve());
        socket.end(() => socket.destroy());
      }),
    close() {
      closed = true;
      socket.destroy();
    },
    hold: (held) => held ? socket.ref() : socket.unref(),
  };
}
