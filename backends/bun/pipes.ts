/**
 * Pipes in Bun's event loop. There, `net.Socket` never reports data from a raw descriptor. Bun's
 * own files do, and they leave the descriptor open for its owner to close.
 *
 * @module
 */

import { startTimer } from "../../core/clock.ts";
import { readSync } from "node:fs";
import type { Sink, Source } from "../../core/backend.ts";
import { codeOf } from "../../core/error_code.ts";
import { type PieceReader, pullSource } from "../spawner/pull_source.ts";
import { bun } from "./runtime.ts";
import { fileWrites } from "./writer.ts";

/** How often a pipe that must not keep the event loop alive is read, in milliseconds. */
const POLL_INTERVAL_MS = 10;

/** The size of reads and writes, in bytes: what a pipe holds by default, see pipe(7). */
const BUFFER_SIZE = 64 * 1024;

/** Returns a source over a non-blocking pipe. */
export function bunSource(fd: number, close: (fd: number) => void): Source {
  return pullSource(new PipeReader(fd, close));
}

/**
 * Reads a pipe. A pending read of a Bun file keeps the event loop alive, and nothing can change
 * that: after `unref()` the pipe is polled by a timer instead.
 */
class PipeReader implements PieceReader {
  readonly #fd: number;
  readonly #close: (fd: number) => void;
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  #isRef = true;
  /** Ends the wait between two reads by the timer. */
  #wake = () => {};

  constructor(fd: number, close: (fd: number) => void) {
    this.#fd = fd;
    this.#close = close;
  }

  next(): Promise<Uint8Array | undefined> {
    return this.#isRef ? this.#read() : this.#poll();
  }

  async #read(): Promise<Uint8Array | undefined> {
    const reader = this.#reader ??= bun.file(this.#fd).stream().getReader();
    const { done, value } = await reader.read();
    if (!done) return value;
    // `unref()` cancels the read and drops the reader; `ref()` may have followed.
    return reader === this.#reader ? undefined : NO_BYTES;
  }

  async #poll(): Promise<Uint8Array | undefined> {
    const piece = readNow(this.#fd);
    if (piece !== undefined) return piece.length === 0 ? undefined : piece;
    await new Promise<void>((resolve) => {
      const timer = startTimer(POLL_INTERVAL_MS, resolve, false);
      this.#wake = () => {
        timer.stop();
        resolve();
      };
    });
    return NO_BYTES;
  }

  close(): void {
    this.#wake();
    const close = () => this.#close(this.#fd);
    // Bun must stop watching the descriptor before its number can be used again.
    if (this.#reader === undefined) close();
    else this.#reader.cancel().catch(() => {}).finally(close);
  }

  ref(): void {
    this.#isRef = true;
    this.#restart();
  }

  unref(): void {
    this.#isRef = false;
    this.#restart();
  }

  /** Ends the pending read. What it has read already is still delivered. */
  #restart(): void {
    this.#reader?.cancel().catch(() => {});
    this.#reader = undefined;
    this.#wake();
  }
}

const NO_BYTES = new Uint8Array(0);

/** Returns what is in the pipe: no bytes at its end, undefined if nothing is there yet. */
function readNow(fd: number): Uint8Array | undefined {
  const buffer = new Uint8Array(BUFFER_SIZE);
  try {
    return buffer.subarray(0, readSync(fd, buffer));
  } catch (error) {
    if (codeOf(error) === "EAGAIN") return undefined;
    throw error;
  }
}

/** Returns a sink over a non-blocking pipe. */
export function bunSink(fd: number, close: (fd: number) => void): Sink {
  const writer = bun.file(fd).writer({ highWaterMark: BUFFER_SIZE });
  const writes = fileWrites(writer);
  const release = () => {
    if (!writes.close()) return;
    writes.interrupt();
    close(fd);
  };
  return {
    write: writes.write,
    async end() {
      if (writes.isOpen()) await writer.end();
      release();
    },
    close: release,
    ref: () => void writer.ref(),
    unref: () => void writer.unref(),
  };
}
