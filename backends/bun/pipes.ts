/**
 * Pipes in Bun's event loop. `net.Socket` never delivers on a raw descriptor there; Bun's own
 * files do, and they leave the descriptor open, so that its owner closes it.
 *
 * @module
 */

import type { Receiver, Sink, Source } from "../../core/backend.ts";
import { bun } from "./runtime.ts";

/** A source over a non-blocking pipe. */
export function bunSource(fd: number, close: (fd: number) => void): Source {
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  let wake: (() => void) | undefined;
  let paused = false;
  let closed = false;
  const release = () => {
    if (closed) return;
    closed = true;
    wake?.();
    // Bun must stop watching the descriptor before its number can serve somebody else.
    if (reader === undefined) close(fd);
    else reader.cancel().catch(() => {}).finally(() => close(fd));
  };
  const flow = async (receiver: Receiver, from: ReadableStreamDefaultReader<Uint8Array>) => {
    try {
      for (;;) {
        if (paused && !closed) await new Promise<void>((resolve) => wake = resolve);
        if (closed) return;
        const { done, value } = await from.read();
        if (closed) return;
        if (done) break;
        receiver.chunk(value, false);
      }
    } catch (error) {
      if (!closed) receiver.end(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    receiver.end();
  };
  return {
    start(receiver) {
      const from = bun.file(fd).stream().getReader();
      reader = from;
      void flow(receiver, from);
    },
    pause() {
      paused = true;
    },
    resume() {
      paused = false;
      wake?.();
    },
    close: release,
    hold() {},
  };
}

/** A sink over a non-blocking pipe. */
export function bunSink(fd: number, close: (fd: number) => void): Sink {
  const writer = bun.file(fd).writer({ highWaterMark: 64 * 1024 });
  let closed = false;
  let interrupt: (() => void) | undefined;
  const brokenPipe = () => Object.assign(new Error("write EPIPE"), { code: "EPIPE" });
  const release = () => {
    if (closed) return;
    closed = true;
    interrupt?.();
    close(fd);
  };
  return {
    write: (bytes) =>
      new Promise((resolve, reject) => {
        if (closed) return reject(brokenPipe());
        interrupt = () => reject(brokenPipe());
        Promise.all([writer.write(bytes), writer.flush()]).then(() => resolve(), reject);
      }),
    async end() {
      if (!closed) await writer.end();
      release();
    },
    close: release,
    hold(held) {
      if (held) writer.ref();
      else writer.unref();
    },
  };
}
