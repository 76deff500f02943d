/**
 * Where the outputs of a child go if the caller does not read them: into memory, or into a stream
 * of the caller.
 *
 * @module
 */

import { performance } from "../clock.ts";
import type { Receiver, Source } from "../backend.ts";
import type { SharedWriter } from "./claims.ts";
import type { Flow } from "./drain.ts";
import { StateError } from "../errors.ts";
import { after } from "../command/options.ts";
import { MIN_DRAIN_MS } from "../timing.ts";
import { concat } from "../bytes.ts";

/** Where an output goes that the caller does not read. */
export interface OutputSink extends Flow {
  /** The error of reading or writing; undefined if there was none. */
  readonly error: unknown;
  /** The captured bytes. */
  bytes(): Uint8Array;
}

const BLOCK = 64 * 1024;
const MAX_BLOCK = 4 * 1024 * 1024;

/**
 * Captures a pipe in memory, up to `limit` bytes; calls `overflow` when more arrive. The pieces are
 * copied into blocks that grow with the output. So a small output costs one allocation, and a large
 * one is copied twice.
 */
export function capture(source: Source, limit: number, overflow: () => void): OutputSink {
  const blocks: Uint8Array[] = [];
  let block = new Uint8Array(0);
  let used = 0;
  let total = 0;
  const add = (bytes: Uint8Array) => {
    let rest = bytes;
    while (rest.length > 0) {
      if (used === block.length) {
        if (used > 0) blocks.push(block);
        const grown = Math.min(MAX_BLOCK, Math.max(BLOCK, total));
        block = new Uint8Array(Math.max(blocks.length === 0 ? 0 : grown, rest.length));
        used = 0;
      }
      const part = rest.subarray(0, block.length - used);
      block.set(part, used);
      used += part.length;
      total += part.length;
      rest = rest.subarray(part.length);
    }
  };
  let whole: Uint8Array | undefined;
  return new Pump(source, {
    patient: true,
    busy: false,
    end: undefined,
    cancel() {},
    chunk(bytes) {
      if (total + bytes.length > limit) {
        add(bytes.subarray(0, limit - total));
        overflow();
        return false;
      }
      add(bytes);
      return true;
    },
    bytes() {
      whole ??= concat([...blocks, block.subarray(0, used)]);
      return whole;
    },
  });
}

/**
 * Writes a pipe to a stream of the caller. If the stream fails, the pipe is closed, and the program
 * gets SIGPIPE or EPIPE, as in a shell pipeline.
 */
export function pumpTo(source: Source, shared: SharedWriter): OutputSink {
  const { writer } = shared;
  let waiting = Promise.resolve();
  let paused = false;
  return new Pump(source, {
    patient: false,
    get busy() {
      return paused;
    },
    chunk(bytes, lent, control) {
      waiting = writer.write(lent ? bytes.slice() : bytes).catch((error) => control.fail(error));
      if ((writer.desiredSize ?? 0) <= 0) {
        paused = true;
        source.pause();
        // Not `ready`, which never resolves for a stream with a high water mark of 0.
        waiting.then(() => {
          paused = false;
          control.touch();
          source.resume();
        });
      }
      return true;
    },
    async end(error) {
      await waiting;
      if (--shared.users > 0) return;
      await (error === undefined ? writer.close() : writer.abort(error));
    },
    cancel() {
      // Not awaited: a stream that is stuck in a write settles nothing before that write.
      writer.abort(new StateError("the run is over, and this stream has not taken its output"))
        .catch(() => {});
    },
    bytes: () => new Uint8Array(0),
  });
}

/** What a pipe is pumped into. */
interface Consumer {
  /** Whether the data is needed only at its end: see {@linkcode Source.start}. */
  readonly patient: boolean;
  /** Whether it is still taking what it was given. */
  readonly busy: boolean;
  /** Takes a piece; returns false if it takes no more. */
  chunk(bytes: Uint8Array, lent: boolean, control: PumpControl): boolean;
  /** Waits until everything is taken. */
  readonly end: ((error: unknown) => Promise<void>) | undefined;
  /** Stops immediately, without waiting for a pending write. */
  readonly cancel: () => void;
  bytes(): Uint8Array;
}

/** How a consumer reports what happens after it has returned. */
interface PumpControl {
  fail(error: unknown): void;
  /** Restarts the time without an arrival that ends a drain. */
  touch(): void;
}

/** Moves the data of a pipe to its consumer. */
class Pump implements OutputSink, PumpControl {
  readonly done: Promise<void>;
  pieces = 0;
  lastArrival = 0;
  error: unknown;
  readonly #source: Source;
  readonly #consumer: Consumer;
  #isOver = false;
  #isEnding = false;
  #isSettled = false;
  /** Stops the timer that cancels a consumer, if it runs. */
  #stopTimer: () => void = () => {};
  #resolve: () => void = () => {};

  constructor(source: Source, consumer: Consumer) {
    this.#source = source;
    this.#consumer = consumer;
    this.done = new Promise((resolve) => this.#resolve = resolve);
    // Its own properties: drivers copy a receiver, see own.ts.
    const receiver: Receiver = {
      chunk: (bytes, lent) => this.#take(bytes, lent),
      end: (failure) => this.#finish(failure),
    };
    source.start(receiver, { patient: consumer.patient });
  }

  get busy(): boolean {
    return this.#isEnding || (!this.#isOver && this.#consumer.busy);
  }

  isReadable(): boolean {
    return !this.#isOver && this.#source.isReadable?.() === true;
  }

  touch(): void {
    this.lastArrival = performance.now();
  }

  fail(error: unknown): void {
    this.#finish(error);
  }

  #take(bytes: Uint8Array, lent: boolean): void {
    this.pieces++;
    this.touch();
    if (!this.#isOver && !this.#consumer.chunk(bytes, lent, this)) this.#finish(undefined);
  }

  #finish(error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.error ??= error;
    this.#source.close();
    if (this.#consumer.end === undefined) return this.#settle();
    this.#isEnding = true;
    this.#consumer.end(this.error).catch((failure) => this.error ??= failure).finally(() => {
      this.#isEnding = false;
      this.#settle();
    });
  }

  bytes(): Uint8Array {
    return this.#consumer.bytes();
  }

  stop({ abandoned } = { abandoned: false }): void {
    this.#finish(undefined);
    if (!abandoned || this.#isSettled) return;
    // A consumer that is not stuck has time to finish.
    this.#stopTimer = after(MIN_DRAIN_MS, () => {
      this.#consumer.cancel();
      this.#settle();
    });
  }

  #settle(): void {
    this.#isSettled = true;
    this.#stopTimer();
    this.#resolve();
  }
}
