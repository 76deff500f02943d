/**
 * Bytes on their way: a source as a web stream, a sink as a web stream, a source gathered into
 * memory, input fed into a sink. Backpressure is passed on in both directions: a stream that is
 * not read stops the program, a program that does not read stops the stream.
 *
 * @module
 */

import type { Receiver, Sink, Source } from "../backend.ts";
import type { Flow } from "./drain.ts";
import { errnoNumber } from "../tables/errno.ts";
import { CommandError, StateError, SystemCallError } from "../errors.ts";
import { after } from "../command/options.ts";
import type { Spec } from "../command/spec.ts";
import { bytesIn, type Chunk, type OutputForm, StreamPieces } from "../command/stdio.ts";
import { MIN_DRAIN_MS } from "../timing.ts";
import { codeOf } from "../error_code.ts";
import { concat } from "../bytes.ts";

/** What a web stream holds back for a slow reader before the pipe is left to fill, in bytes. */
const READ_AHEAD = 256 * 1024;

/** An output as a web stream. Stopped, it ends behind what has arrived. */
export interface OutputStream extends Flow {
  readonly stream: ReadableStream<Uint8Array>;
}

/** A web stream of what arrives; `ended` is called once, when it ended or was given up. */
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
  const stream = new ReadableStream<Uint8Array>({
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
  }, new ByteLengthQueuingStrategy({ highWaterMark: READ_AHEAD }));
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
    stop: () => finish(conclude),
  };
}

/** A web stream that writes into the pipe. Closing it is the program's end of input. */
export function writableTo(sink: Sink): WritableStream<Chunk> {
  const encoder = new TextEncoder();
  return new WritableStream<Chunk>({
    async write(chunk) {
      try {
        await sink.write(bytesIn(chunk, encoder));
      } catch (error) {
        // The stream is errored from here on, and calls neither close nor abort.
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

/** Whatever a runtime throws, a write that nobody reads any more is one error, with its code. */
function pipeError(cause: unknown): CommandError {
  if (cause instanceof CommandError) return cause;
  const code = codeOf(cause);
  const errno = typeof code === "string" ? errnoNumber(code) : undefined;
  if (errno !== undefined) return new SystemCallError("write", errno, { cause });
  return new CommandError(`stdin: ${cause instanceof Error ? cause.message : cause}`, { cause });
}

/** What becomes of an output that the caller does not read himself. */
export interface OutputSink extends Flow {
  /** What went wrong on the way, if anything. */
  readonly error: unknown;
  /** What was captured. */
  bytes(): Uint8Array;
}

const BLOCK = 64 * 1024;
const MAX_BLOCK = 4 * 1024 * 1024;

/**
 * Gathers a stream in memory, up to `limit` bytes; `overflow` is called when more arrive. Lent
 * pieces are copied into blocks that grow with the output, so that small outputs cost one
 * allocation and large ones one copy more than their size.
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
  return pump(source, {
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

/** A web stream that several outputs go to; it is closed when the last of them has ended. */
export interface SharedWriter {
  readonly writer: WritableStreamDefaultWriter<Uint8Array>;
  users: number;
}

/** The writers of some streams, by stream. Throws a StateError, having taken none, if one is locked. */
export function writersOf(
  sinks: readonly WritableStream<Uint8Array>[],
): ReadonlyMap<WritableStream<Uint8Array>, SharedWriter> {
  if (sinks.length === 0) return NO_WRITERS;
  requireUnlocked(sinks);
  const writers = new Map<WritableStream<Uint8Array>, SharedWriter>();
  for (const sink of sinks) {
    const shared = writers.get(sink) ?? { writer: sink.getWriter(), users: 0 };
    shared.users++;
    writers.set(sink, shared);
  }
  return writers;
}

/** What a run has taken of the caller's streams before anything is started. */
export interface Claims {
  /** The pieces of standard input, if they come from a stream or an iterable. */
  readonly input: InputChunks | undefined;
  readonly writers: ReturnType<typeof writersOf>;
  /** Lets go of the streams, if nothing could be started: nothing of them was read or written. */
  release(): void;
}

/**
 * Takes the streams of the caller that a command reads from and writes to. Throws a StateError,
 * having taken none, if one is locked, and what an iterable throws when it is asked for its pieces.
 */
export function claim(
  { stdin }: Pick<Spec, "stdin">,
  { stdout, stderr }: { readonly stdout: OutputForm; readonly stderr: OutputForm },
): Claims {
  if (stdin?.kind !== "stream" && stdout.kind !== "stream" && stderr.kind !== "stream") {
    return NO_CLAIMS;
  }
  const sinks = [stdout, stderr].flatMap((form) => form.kind === "stream" ? [form.sink] : []);
  const writers = writersOf(sinks);
  const free = () => {
    for (const { writer } of writers.values()) writer.releaseLock();
  };
  try {
    const input = stdin?.kind === "stream" ? new InputChunks(stdin.source) : undefined;
    return {
      input,
      writers,
      release() {
        input?.release();
        free();
      },
    };
  } catch (error) {
    free();
    throw error;
  }
}

/** Most children have no stream of the caller. */
const NO_WRITERS: ReturnType<typeof writersOf> = new Map();
const NO_CLAIMS: Claims = { input: undefined, writers: NO_WRITERS, release() {} };

/** Throws a StateError if somebody else writes to one of the streams, or has. */
function requireUnlocked(sinks: readonly WritableStream<Uint8Array>[]): void {
  if (!sinks.some((each) => each.locked)) return;
  throw new StateError("stdout, stderr: the WritableStream is locked: it has a writer already");
}

/**
 * Pours a stream into a writer. If the writer fails, the pipe is closed: the program finds that
 * nobody reads any more, as it would in a shell pipeline.
 */
export function pumpTo(source: Source, shared: SharedWriter): OutputSink {
  const { writer } = shared;
  let waiting = Promise.resolve();
  let paused = false;
  return pump(source, {
    patient: false,
    get busy() {
      return paused;
    },
    chunk(bytes, lent, gathering) {
      waiting = writer.write(lent ? bytes.slice() : bytes).catch(gathering.fail);
      if ((writer.desiredSize ?? 0) <= 0) {
        paused = true;
        source.pause();
        // Not `ready`, which never comes for a sink that wants nothing ahead.
        waiting.then(() => {
          paused = false;
          gathering.touch();
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
      // Not waited for: a stream that is stuck in a write settles nothing before that.
      writer.abort(new StateError("the run is over, and this stream has not taken its output"))
        .catch(() => {});
    },
    bytes: () => new Uint8Array(0),
  });
}

interface ChunkConsumer {
  /** Whether nobody sees what is taken before the end. */
  readonly patient: boolean;
  /** Whether it wants nothing more for now. */
  readonly busy: boolean;
  /** Takes a piece; false if it wants no more. */
  chunk(bytes: Uint8Array, lent: boolean, gathering: SinkControl): boolean;
  readonly end: ((error: unknown) => Promise<void>) | undefined;
  /** Takes no more, whatever it is waiting for. */
  readonly cancel: () => void;
  bytes(): Uint8Array;
}

/** What a taker can do later. */
interface SinkControl {
  fail(error: unknown): void;
  /** Counts the silence from here. */
  touch(): void;
}

function pump(source: Source, taker: ChunkConsumer): OutputSink {
  let resolve = () => {};
  const done = new Promise<void>((each) => resolve = each);
  let settled = false;
  const settle = () => {
    settled = true;
    resolve();
  };
  const state = { pieces: 0, lastArrival: 0, error: undefined as unknown, over: false };
  let ending = false;
  const finish = (error: unknown) => {
    if (state.over) return;
    state.over = true;
    state.error ??= error;
    source.close();
    if (taker.end === undefined) return settle();
    ending = true;
    taker.end(state.error).catch((failure) => state.error ??= failure).finally(() => {
      ending = false;
      settle();
    });
  };
  const touch = () => {
    state.lastArrival = performance.now();
  };
  const hooks = { fail: finish, touch };
  const receiver: Receiver = {
    chunk(bytes, lent) {
      state.pieces++;
      touch();
      if (!state.over && !taker.chunk(bytes, lent, hooks)) finish(undefined);
    },
    end: finish,
  };
  source.start(receiver, { patient: taker.patient });
  return {
    done,
    get lastArrival() {
      return state.lastArrival;
    },
    get busy() {
      return ending || (!state.over && taker.busy);
    },
    get pieces() {
      return state.pieces;
    },
    get error() {
      return state.error;
    },
    bytes: () => taker.bytes(),
    stop(abandoned = false) {
      finish(undefined);
      if (!abandoned || settled) return;
      // A taker that is not stuck has time for what it has already, and for its end.
      after(MIN_DRAIN_MS, () => {
        if (settled) return;
        taker.cancel();
        settle();
      });
    },
  };
}

/** Input on its way into a program. */
export interface InputPump {
  /** Resolves when all was written or nobody reads any more; never rejects. */
  readonly done: Promise<void>;
  /** What the source of the input threw, if it did. */
  readonly error: unknown;
  /** Writes no more and closes the descriptor. */
  stop(): void;
}

/** Feeds bytes that are there already. */
export function pumpBytes(sink: Sink, bytes: Uint8Array): InputPump {
  return pumpStream(sink, [bytes], () => {});
}

/**
 * Feeds pieces as they come. A program that does not read them all is no error. If their source
 * throws, `failed` is called: the program must not take a cut-off input for a whole one.
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
        // EPIPE: nobody reads any more, the program has what it wanted.
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
 * Pieces of input as bytes, one after the other, until the end or `stop()`. A source that never
 * yields again must not keep a program's end waiting.
 */
export class InputChunks {
  readonly #iterator: AsyncIterator<Chunk> | Iterator<Chunk>;
  readonly #encoder = new TextEncoder();
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

  /** Gives a stream back of which nothing was read. */
  release(): void {
    if (this.#iterator instanceof StreamPieces) this.#iterator.release();
  }

  /** Ends the supply. The source is told, but not waited for: it may be stuck in an await. */
  stop(): void {
    if (this.#over) return;
    this.#over = true;
    this.#interrupt();
    Promise.resolve(this.#iterator.return?.()).catch(() => {});
  }

  // Not Promise.race: racing against one long-lived promise would keep a reaction for every piece.
  #nextOrStop(): Promise<IteratorResult<Chunk> | undefined> {
    return new Promise((resolve, reject) => {
      this.#interrupt = () => resolve(undefined);
      Promise.resolve(this.#iterator.next()).then(resolve, reject);
    });
  }
}
