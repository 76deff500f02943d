/**
 * Node's streams as the sources and sinks of the core.
 *
 * @module
 */

import type { Readable, Writable } from "node:stream";
import type { Receiver, Sink, Source } from "../../core/backend.ts";
import { brokenPipe } from "./broken_pipe.ts";
import type { Channel } from "./spawner.ts";
import { codeOf } from "../../core/error_code.ts";

/** What sockets have and other streams lack. */
interface MaybeRefable {
  ref?(): unknown;
  unref?(): unknown;
}

/** A source over a stream that it owns. */
export function readableSource(stream: Readable & MaybeRefable): Source {
  let receiver: Receiver | undefined;
  let over = false;
  // At a child's exit, Node throws away what nobody listens for yet.
  const waiting = () => {};
  stream.on("readable", waiting);
  const finish = (error?: Error) => {
    if (over) return;
    over = true;
    receiver?.end(error);
  };
  return {
    start(to) {
      receiver = to;
      stream.off("readable", waiting);
      stream.on("end", () => finish());
      stream.on("close", () => finish());
      // A peer that ends with something unread resets the connection: an end like any other.
      stream.on("error", (error) => finish(isReset(error) ? undefined : error));
      stream.on("data", (chunk: Uint8Array) => {
        if (!over) to.chunk(chunk, false);
      });
      stream.resume();
    },
    pause: () => void stream.pause(),
    resume() {
      if (receiver !== undefined) stream.resume();
    },
    close() {
      over = true;
      stream.on("error", () => {});
      stream.destroy();
    },
    ref: () => void stream.ref?.(),
    unref: () => void stream.unref?.(),
  };
}

/** A sink over a stream that it owns. */
export function writableSink(stream: Writable & MaybeRefable): Sink {
  let failure: Error | undefined;
  // Reported by the write that meets it; unheard, the event would end the process.
  stream.on("error", (error: Error) => failure ??= error);
  let closed = false;
  // What was being written when we closed it fails in the runtime's own ways.
  const reason = (error = failure) =>
    closed || isReset(error) || error === undefined ? brokenPipe() : error;
  return {
    write: (bytes) =>
      new Promise((resolve, reject) => {
        if (stream.destroyed || stream.writableEnded) return reject(reason());
        const gone = () => reject(reason());
        stream.once("close", gone);
        stream.write(bytes, (error) => {
          stream.off("close", gone);
          if (error) reject(reason(error));
          else resolve();
        });
      }),
    end: () =>
      new Promise((resolve) => {
        if (stream.destroyed) return resolve();
        stream.once("close", () => resolve());
        stream.end(() => stream.destroy());
      }),
    close() {
      closed = true;
      stream.destroy();
    },
    ref: () => void stream.ref?.(),
    unref: () => void stream.unref?.(),
  };
}

/** A channel over a stream in both directions, which it owns. */
export function duplexChannel(stream: Readable & Writable & MaybeRefable): Channel {
  stream.on("error", () => {});
  return {
    write(bytes) {
      if (!stream.destroyed) stream.write(bytes);
    },
    listen(received, ended) {
      stream.on("data", received);
      stream.once("close", ended);
      stream.once("end", () => stream.destroy());
    },
    close: () => void stream.destroy(),
    ref: () => void stream.ref?.(),
    unref: () => void stream.unref?.(),
  };
}

function isReset(error: Error | undefined): boolean {
  return codeOf(error) === "ECONNRESET";
}
