/**
 * Web streams as the sources and sinks of the core.
 *
 * @module
 */

import type { Sink, Source } from "../../core/backend.ts";
import { codeOf, isError } from "../../core/error_code.ts";
import { brokenPipe } from "./broken_pipe.ts";
import { interruptibleWrites } from "./interruptible_writes.ts";
import { pullSource } from "./pull_source.ts";

/** How a stream is read. */
export interface StreamSourceOptions {
  /**
   * Whether `ref()` and `unref()` restart a pending read. On Bun it is the read that keeps the
   * event loop alive, or not, as was set when it began.
   */
  readonly restartsReads: boolean;
}

/** Returns a source over a stream, which it owns. */
export function streamSource(
  stream: ReadableStream<Uint8Array>,
  { restartsReads }: StreamSourceOptions = { restartsReads: false },
): Source {
  let reader = stream.getReader();
  let reading = false;
  const restart = () => {
    if (!restartsReads || !reading) return;
    reader.releaseLock();
    reader = stream.getReader();
  };
  return pullSource({
    async next() {
      const from = reader;
      reading = true;
      try {
        const { done, value } = await from.read();
        return done ? undefined : value;
      } catch (error) {
        // A read that lost its lock. Nothing is lost from the stream by that.
        if (from !== reader) return NO_BYTES;
        throw error;
      } finally {
        reading = false;
      }
    },
    close() {
      // A stream that has failed has nothing left to cancel.
      reader.cancel().catch(() => {});
    },
    ref: restart,
    unref: restart,
  });
}

const NO_BYTES = new Uint8Array(0);

/** Returns a sink over a stream, which it owns. */
export function streamSink(stream: WritableStream<Uint8Array>): Sink {
  const writer = stream.getWriter();
  const writes = interruptibleWrites((bytes) =>
    writer.write(bytes).catch((error) => {
      throw isBrokenPipe(error) ? brokenPipe(error) : error;
    })
  );
  // The write that meets an error reports it.
  writer.closed.catch(() => {});
  return {
    write: writes.write,
    async end() {
      if (!writes.close()) return;
      // If nobody reads any more, there is nothing to end.
      await writer.close().catch(() => {});
    },
    close() {
      if (!writes.close()) return;
      writes.interrupt();
      writer.abort().catch(() => {});
    },
    // Such a stream never keeps the event loop alive.
    ref() {},
    unref() {},
  };
}

/** Deno has a class for the error, other runtimes a code. */
function isBrokenPipe(error: unknown): boolean {
  return isError(error) &&
    (error.name === "BrokenPipe" || codeOf(error) === "EPIPE" ||
      error.name === "ConnectionReset");
}
