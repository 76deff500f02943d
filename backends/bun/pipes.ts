/**
 * Pipes in Bun's event loop. `net.Socket` never delivers on a raw descriptor there; Bun's own
 * files do, and they leave the descriptor open, so that its owner closes it.
 *
 * @module
 */

import { readSync } from "node:fs";
import type { Receiver, Sink, Source } from "../../core/backend.ts";
import { brokenPipe } from "../spawner/broken_pipe.ts";
import { bun } from "./runtime.ts";
import { codeOf } from "../../core/error_code.ts";

/** How often a pipe is looked at that must not keep the event loop alive, in milliseconds. */
const POLL = 10;

/**
 * A source over a non-blocking pipe. A pending read of a file keeps Bun's event loop alive, and
 * nothing can change that: a source that is not held is read by a timer instead.
 */
export function bunSource(fd: number, close: (fd: number) => void): Source {
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  let wake: (() => void) | undefined;
  let paused = false;
  let isRef = true;
  let closed = false;
  const interrupt = () => wake?.();
  const release = () => {
    if (closed) return;
    closed = true;
    interrupt();
    // Bun must stop watching the descriptor before its number can serve somebody else.
    if (reader === undefined) close(fd);
    else reader.cancel().catch(() => {}).finally(() => close(fd));
  };
  /** The next piece; undefined at the end, empty if there is only a reason to look again. */
  const next = async (): Promise<Uint8Array | undefined> => {
    if (isRef) {
      const from = reader ??= bun.file(fd).stream().getReader();
      const { done, value } = await from.read();
      if (!done) return value;
      return isRef ? undefined : NOTHING;
    }
    const piece = readNow(fd);
    if (piece !== undefined) return piece.length === 0 ? undefined : piece;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, POLL);
      timer.unref();
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    return NOTHING;
  };
  const flow = async (receiver: Receiver) => {
    try {
      for (;;) {
        while (paused && !closed) await new Promise<void>((resolve) => wake = resolve);
        if (closed) return;
        const piece = await next();
        if (closed) return;
        if (piece === undefined) break;
        if (piece.length > 0) receiver.chunk(piece, false);
      }
    } catch (error) {
      if (!closed) receiver.end(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    receiver.end();
  };
  const setRef = (ref: boolean) => {
    if (ref === isRef || closed) return;
    isRef = ref;
    // Ends a pending read; what it has read already is delivered before.
    reader?.cancel().catch(() => {});
    reader = undefined;
    interrupt();
  };
  return {
    start(receiver) {
      void flow(receiver);
    },
    pause() {
      paused = true;
    },
    resume() {
      paused = false;
      interrupt();
    },
    close: release,
    ref: () => setRef(true),
    unref: () => setRef(false),
  };
}

const NOTHING = new Uint8Array(0);

/** What is in the pipe now: empty at its end, undefined if nothing is there yet. */
function readNow(fd: number): Uint8Array | undefined {
  const buffer = new Uint8Array(64 * 1024);
  try {
    return buffer.subarray(0, readSync(fd, buffer));
  } catch (error) {
    if (codeOf(error) === "EAGAIN") return undefined;
    throw error;
  }
}

/** A sink over a non-blocking pipe. */
export function bunSink(fd: number, close: (fd: number) => void): Sink {
  const writer = bun.file(fd).writer({ highWaterMark: 64 * 1024 });
  let closed = false;
  let interrupt: (() => void) | undefined;
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
    ref: () => void writer.ref(),
    unref: () => void writer.unref(),
  };
}
