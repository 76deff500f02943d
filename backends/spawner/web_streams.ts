/**
 * Web streams as the sources and sinks of the core.
 *
 * @module
 */

import type { Receiver, Sink, Source } from "../../core/backend.ts";
import { brokenPipe } from "./broken_pipe.ts";
import { codeOf } from "../../core/error_code.ts";

/**
 * A source over a stream that it owns. With `renews`, a read that waits when the source is to be
 * held, or not to be any more, is made again: on Bun it is a read that keeps the event loop alive,
 * by what was asked for when it began.
 */
export function streamSource(
  stream: ReadableStream<Uint8Array>,
  { renews = false }: { readonly renews?: boolean } = NOT_AGAIN,
): Source {
  let reader = stream.getReader();
  let reading = false;
  let isRef = true;
  let paused = false;
  let closed = false;
  let wake = () => {};
  const flow = async (receiver: Receiver) => {
    for (;;) {
      while (paused && !closed) await new Promise<void>((resolve) => wake = resolve);
      if (closed) return;
      const from = reader;
      reading = true;
      const next = await from.read().catch((error) => {
        // What the lock was taken from: nothing of the stream is lost by that.
        if (from !== reader) return undefined;
        throw error;
      });
      reading = false;
      if (closed) return;
      if (next === undefined) continue;
      const { done, value } = next;
      if (done) return receiver.end();
      if (value.length > 0) receiver.chunk(value, false);
    }
  };
  const setRef = (ref: boolean) => {
    if (!renews || ref === isRef || closed) return;
    isRef = ref;
    if (!reading) return;
    reader.releaseLock();
    reader = stream.getReader();
  };
  return {
    start(receiver) {
      flow(receiver).catch((error) => {
        if (!closed) receiver.end(error instanceof Error ? error : new Error(String(error)));
      });
    },
    pause() {
      paused = true;
    },
    resume() {
      paused = false;
      wake();
    },
    close() {
      if (closed) return;
      closed = true;
      wake();
      // A stream that has failed has nothing left to cancel.
      reader.cancel().catch(() => {});
    },
    ref: () => setRef(true),
    unref: () => setRef(false),
  };
}

const NOT_AGAIN = { renews: false };

/** A sink over a stream that it owns. */
export function streamSink(stream: WritableStream<Uint8Array>): Sink {
  const writer = stream.getWriter();
  let closed = false;
  let interrupt: (() => void) | undefined;
  // Reported by the write that meets it.
  writer.closed.catch(() => {});
  return {
    write: (bytes) =>
      new Promise((resolve, reject) => {
        if (closed) return reject(brokenPipe());
        interrupt = () => reject(brokenPipe());
        writer.write(bytes).then(resolve, (error) => {
          reject(isBrokenPipe(error) ? brokenPipe(error) : error);
        });
      }),
    async end() {
      if (closed) return;
      closed = true;
      // Nobody reads any more: then there is nothing to end.
      await writer.close().catch(() => {});
    },
    close() {
      if (closed) return;
      closed = true;
      interrupt?.();
      writer.abort().catch(() => {});
    },
    // Such a stream never keeps the event loop alive.
    ref() {},
    unref() {},
  };
}

/** Deno has a class for it, others the code. */
function isBrokenPipe(error: unknown): boolean {
  return error instanceof Error &&
    (error.name === "BrokenPipe" || codeOf(error) === "EPIPE" ||
      error.name === "ConnectionReset");
}
