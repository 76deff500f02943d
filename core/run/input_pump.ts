/**
 * Writes the input of a child into its pipe, as the program reads it.
 *
 * @module
 */

import type { Sink } from "../backend.ts";
import { bytesIn, type Chunk, StreamPieces } from "../command/stdio.ts";
import { codeOf } from "../error_code.ts";
import { web } from "../web.ts";

/** Input on its way into a program. */
export interface InputPump {
  /** Resolves when everything is written, or the pipe has no reader. Never rejects. */
  readonly done: Promise<void>;
  /** What a stream or an iterable of the caller threw, if it did. */
  readonly error: unknown;
  /** Writes no more and closes the descriptor. */
  stop(): void;
}

/** Writes bytes. */
export function pumpBytes(sink: Sink, bytes: Uint8Array): InputPump {
  return pumpStream(sink, [bytes], () => {});
}

/**
 * Writes pieces as they come. It is no error if the program does not read them all. If their source
 * throws, `failed` is called, so that the program does not take a part of its input for the whole.
 */
export function pumpStream(
  sink: Sink,
  pieces: AsyncIterable<Chunk> | Iterable<Chunk> | InputChunks,
  failed: () => void,
): InputPump {
  const input = pieces instanceof InputChunks ? pieces : new InputChunks(pieces);
  const state = { error: undefined as unknown };
  const fail = (error: unknown) => {
    state.error = error;
    failed();
  };
  const work = async () => {
    for (;;) {
      let bytes: Uint8Array | undefined;
      try {
        bytes = await input.next();
      } catch (error) {
        return fail(error);
      }
      try {
        if (bytes === undefined) return await sink.end();
        if (bytes.length > 0) await sink.write(bytes);
      } catch (error) {
        // EPIPE: the program does not read the rest.
        if (codeOf(error) !== "EPIPE") fail(error);
        return;
      }
    }
  };
  const done = work().finally(() => {
    sink.close();
    input.stop();
  });
  return {
    done,
    get error() {
      return state.error;
    },
    stop() {
      input.stop();
      sink.close();
    },
  };
}

/**
 * Pieces of input as bytes, until the end or `stop()`. A source that never yields again does not
 * delay the end of a run.
 */
export class InputChunks {
  readonly #iterator: AsyncIterator<Chunk> | Iterator<Chunk>;
  readonly #encoder = new web.TextEncoder();
  #over = false;
  #interrupt: () => void = () => {};

  constructor(pieces: AsyncIterable<Chunk> | Iterable<Chunk>) {
    this.#iterator = Symbol.asyncIterator in pieces
      ? pieces[Symbol.asyncIterator]()
      : pieces[Symbol.iterator]();
  }

  /** The next piece, or undefined at the end. */
  async next(): Promise<Uint8Array | undefined> {
    if (this.#over) return undefined;
    const next = await this.#nextOrStop();
    if (next === undefined || next.done === true) {
      this.#over = true;
      return undefined;
    }
    return bytesIn(next.value, this.#encoder);
  }

  /** Unlocks a stream of which nothing was read. */
  release(): void {
    if (this.#iterator instanceof StreamPieces) this.#iterator.release();
  }

  /** Ends the pieces. Calls `return()` of the source without waiting: it may be stuck. */
  stop(): void {
    if (this.#over) return;
    this.#over = true;
    this.#interrupt();
    Promise.resolve(this.#iterator.return?.()).catch(() => {});
  }

  // Not Promise.race: a long-lived promise would keep a reaction for every piece.
  #nextOrStop(): Promise<IteratorResult<Chunk> | undefined> {
    return new Promise((resolve, reject) => {
      this.#interrupt = () => resolve(undefined);
      Promise.resolve(this.#iterator.next()).then(resolve, reject);
    });
  }
}
