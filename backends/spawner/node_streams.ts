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

/** Sockets have these methods, other streams do not. */
interface MaybeRefable {
  ref?(): unknown;
  unref?(): unknown;
}

/** Returns a source over a stream, which it owns. */
export function readableSource(stream: Readable & MaybeRefable): Source {
  let receiver: Receiver | undefined;
  let over = false;
  // When a child exits, Node discards output that nobody listens for yet.
  const keepReadable = () => {};
  stream.on("readable", keepReadable);
  const finish = (error?: Error) => {
    if (over) return;
    over = true;
    receiver?.end(error);
  };
  return {
    start(to) {
      receiver = to;
      stream.off("readable", keepReadable);
      stream.on("end", () => finish());
      stream.on("close", () => finish());
      // A peer that closes with something unread resets the connection. It is an end like any
      // other.
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

/** Returns a sink over a stream, which it owns. */
export function writableSink(stream: Writable & MaybeRefable): Sink {
  let failure: Error | undefined;
  // The write that meets it reports it. Without a listener, the event would end the process.
  stream.on("error", (error: Error) => failure ??= error);
  let closed = false;
  // A write that is pending at `close()` fails in the ways of the runtime.
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

/** Returns a channel over a stream in both directions, which it owns. */
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
