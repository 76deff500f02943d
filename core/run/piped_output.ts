/**
 * The standard output of a running program, read piece by piece.
 *
 * @module
 */

import { performance, sleep } from "../clock.ts";
import type { Reading } from "./child.ts";
import type { Flow } from "./drain.ts";
import type { Bytes } from "./split_lines.ts";
import { FULL_PIPE } from "../timing.ts";

/** The most bytes that are handed over without a turn of the event loop. */
const BEFORE_TURN = 512 * 1024;

/** The most bytes that are handed over in one piece. */
const MAX_PIECE = 64 * 1024;

/** So many bytes count as a piece. A runtime may have read ahead, in pieces of any size. */
const COUNTED_AS_PIECE = 16 * 1024;

/**
 * A program's output. While the program runs, it is read on demand, so that a slow caller slows down
 * the program. Once the program has ended, the rest is read at once and waited for as `drain` says,
 * since a descendant may hold the pipe open, or write into it, for ever. The time that the caller
 * takes for each piece does not count.
 */
export class PipedOutput implements Bytes, Flow {
  readonly done: Promise<void>;
  lastArrival = 0;
  pieces = 0;
  /** Whether the caller has more to take than a pipe can hold. */
  busy = false;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #queue: Uint8Array[] = [];
  #queued = 0;
  #sinceTurn = 0;
  #eager = false;
  #over = false;
  #failure: unknown;
  #end: () => void = () => {};
  #arrived: () => void = () => {};
  #taken: () => void = () => {};

  constructor(stdout: ReadableStream<Uint8Array>, { exited, drain, onCut }: Reading) {
    this.#reader = stdout.getReader();
    this.done = new Promise((resolve) => this.#end = resolve);
    onCut(() => this.stop());
    exited.then(() => {
      this.#eager = true;
      void this.#readAll();
      void drain(this);
    });
  }

  async read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array }> {
    for (;;) {
      const value = this.#queue.shift();
      if (value !== undefined) {
        this.#queued -= value.length;
        this.#sinceTurn += value.length;
        if (this.#sinceTurn > BEFORE_TURN) await this.#turn();
        this.#taken();
        return { done: false, value };
      }
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#over) return { done: true };
      if (this.#eager) await new Promise<void>((resolve) => this.#arrived = resolve);
      else await this.#readOne();
    }
  }

  /** Hands over what was read, and reads no more. */
  stop(): void {
    this.#finish();
    this.#reader.cancel().catch(() => {});
  }

  async cancel(): Promise<void> {
    this.#finish();
    await this.#reader.cancel();
  }

  async #readAll(): Promise<void> {
    while (!this.#over) {
      if (this.#queued < FULL_PIPE) {
        await this.#readOne();
      } else {
        this.busy = true;
        await new Promise<void>((resolve) => this.#taken = resolve);
        this.busy = false;
      }
    }
  }

  async #readOne(): Promise<void> {
    try {
      const { done, value } = await this.#reader.read();
      if (this.#over) return;
      if (done) return this.#finish();
      for (let at = 0; at < value.length; at += MAX_PIECE) {
        this.#queue.push(value.subarray(at, at + MAX_PIECE));
      }
      this.#queued += value.length;
      this.pieces += value.length / COUNTED_AS_PIECE;
      this.lastArrival = performance.now();
    } catch (error) {
      this.#failure = error;
      this.#finish();
    } finally {
      this.#arrived();
    }
  }

  /** Lets timers and signals run, which a stream that always has more data would prevent. */
  async #turn(): Promise<void> {
    this.#sinceTurn = 0;
    await sleep(0);
  }

  #finish(): void {
    this.#over = true;
    this.#end();
    this.#arrived();
    this.#taken();
  }
}
