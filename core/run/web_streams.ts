/**
 * The pipes of a child as web streams.
 *
 * @module
 */

import { isError } from "../error_code.ts";
import { performance } from "../clock.ts";
import type { Sink, Source } from "../backend.ts";
import type { Flow } from "./drain.ts";
import { errnoNumber } from "../tables/errno.ts";
import { CommandError, SystemCallError } from "../errors.ts";
import { bytesIn, type Chunk } from "../command/stdio.ts";
import { codeOf } from "../error_code.ts";
import { web } from "../web.ts";

/** How many bytes a web stream reads ahead of a slow reader. Then the pipe fills. */
const READ_AHEAD = 256 * 1024;

/** An output as a web stream. `stop` ends it after the data that has arrived. */
export interface OutputStream extends Flow {
  readonly stream: ReadableStream<Uint8Array>;
}

/** Makes a web stream of a pipe. `ended` is called once, when the stream has ended or was stopped. */
export function readableFrom(source: Source, ended: () => void): OutputStream {
  let over = false;
  let paused = false;
  let [pieces, lastArrival] = [0, 0];
  let conclude = () => {};
  let resolve = () => {};
  const done = new Promise<void>((settle) => resolve = settle);
  const finish = (last: () => void) => {
    if (over) return;
    over = true;
    source.close();
    last();
    ended();
    resolve();
  };
  const stream = new web.ReadableStream<Uint8Array>({
    start(controller) {
      conclude = () => controller.close();
      source.start({
        chunk(bytes, lent) {
          if (over) return;
          pieces++;
          lastArrival = performance.now();
          controller.enqueue(lent ? bytes.slice() : bytes);
          if ((controller.desiredSize ?? 0) > 0) return;
          paused = true;
          source.pause();
        },
        end: (error) => finish(error === undefined ? conclude : () => controller.error(error)),
      });
    },
    pull() {
      if (over) return;
      if (paused) lastArrival = performance.now();
      paused = false;
      source.resume();
    },
    cancel: () => finish(() => {}),
  }, new web.ByteLengthQueuingStrategy({ highWaterMark: READ_AHEAD }));
  return {
    stream,
    done,
    get pieces() {
      return pieces;
    },
    get lastArrival() {
      return lastArrival;
    },
    get busy() {
      return paused;
    },
    isReadable: () => !over && source.isReadable?.() === true,
    stop: () => finish(conclude),
  };
}

/** Makes a web stream that writes into a pipe. To close it is the end of the program's input. */
export function writableTo(sink: Sink): WritableStream<Chunk> {
  const encoder = new web.TextEncoder();
  return new web.WritableStream<Chunk>({
    async write(chunk) {
      try {
        await sink.write(bytesIn(chunk, encoder));
      } catch (error) {
        // From here on, the stream has failed, and calls neither close nor abort.
        sink.close();
        throw pipeError(error);
      }
    },
    async close() {
      try {
        await sink.end();
      } catch (error) {
        throw pipeError(error);
      }
    },
    abort: () => sink.close(),
  });
}

/** Converts the error of a runtime. If the pipe has no reader, it is a SystemCallError EPIPE. */
function pipeError(cause: unknown): CommandError {
  if (cause instanceof CommandError) return cause;
  const code = codeOf(cause);
  const errno = typeof code === "string" ? errnoNumber(code) : undefined;
  if (errno !== undefined) return new SystemCallError("write", errno, { cause });
  return new CommandError(`stdin: ${isError(cause) ? cause.message : cause}`, { cause });
}
