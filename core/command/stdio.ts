/**
 * The forms that `stdin`, `stdout` and `stderr` take: what people write, and what is kept of it.
 *
 * @module
 */

import { StateError, UsageError } from "../errors.ts";
import { own } from "../own.ts";

/** A piece of input: text is encoded as UTF-8. */
export type Chunk = string | Uint8Array;

/**
 * A file by its path; relative paths count from the parent's current folder. A FIFO is not waited
 * for, since that would stop the event loop: one that nobody writes to yet is an empty input.
 */
export interface InputFile {
  /** The path. */
  readonly file: string;
}

/** A file to write to; made if it is missing, emptied unless `append` is set. */
export interface OutputFile {
  /** The path; relative paths count from the parent's current folder. */
  readonly file: string;
  /** Write at the end of what is there. Default false: the file is emptied first. */
  readonly append?: boolean;
  /** Permission bits of a new file, less the parent's umask. Default 0o666. */
  readonly mode?: number;
}

/** What `stdin()` takes. */
export type StdinInput =
  | "null"
  | "inherit"
  | "pipe"
  | number
  | Chunk
  | ReadableStream<Chunk>
  | AsyncIterable<Chunk>
  | Iterable<Chunk>
  | InputFile;

/** What `stdout()` takes. */
export type StdoutOutput =
  | "null"
  | "inherit"
  | "pipe"
  | "capture"
  | number
  | WritableStream<Uint8Array>
  | OutputFile;

/** What `stderr()` takes: as `stdout()`, and `"stdout"` for the same place in true order. */
export type StderrOutput = StdoutOutput | "stdout";

/** Standard input as a spec keeps it. */
export type StdinForm =
  | { readonly kind: "null" | "inherit" | "pipe" }
  | { readonly kind: "fd"; readonly fd: number }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "stream"; readonly source: AsyncIterable<Chunk> | Iterable<Chunk> }
  | { readonly kind: "file"; readonly path: string };

/** Standard output or error as a spec keeps it. */
export type OutputForm =
  | { readonly kind: "null" | "inherit" | "pipe" | "capture" | "stdout" }
  | { readonly kind: "fd"; readonly fd: number }
  | { readonly kind: "stream"; readonly sink: WritableStream<Uint8Array> }
  | {
    readonly kind: "file";
    readonly path: string;
    readonly append: boolean;
    readonly mode: number;
  };

/** Turns what was written into the kept form, or into a sentence on what is wrong with it. */
export function stdinForm(input: StdinInput): StdinForm | string {
  switch (input) {
    case "null":
    case "inherit":
    case "pipe":
      return { kind: input as "null" | "inherit" | "pipe" };
  }
  if (typeof input === "number") return fdForm(input);
  if (typeof input === "string") return { kind: "bytes", bytes: new TextEncoder().encode(input) };
  if (isBytes(input)) return { kind: "bytes", bytes: copied(input) };
  // Their iterators would give numbers, of which no byte order is known.
  if (ArrayBuffer.isView(input)) return "bytes are a Uint8Array, not another view of memory";
  if (typeof input !== "object" || input === null) return `${typeof input} is no input`;
  if (isReadableStream(input)) return { kind: "stream", source: chunksOf(input) };
  if (Symbol.asyncIterator in input || Symbol.iterator in input) {
    listenForErrors(input);
    return { kind: "stream", source: input };
  }
  if (Object.hasOwn(input, "file")) {
    return pathProblem(input.file) ?? { kind: "file", path: input.file };
  }
  return "expected null, inherit, pipe, a descriptor, text, bytes, a stream or { file }";
}

/** Turns what was written into the kept form, or into a sentence on what is wrong with it. */
export function outputForm(output: StderrOutput, stream: "stdout" | "stderr"): OutputForm | string {
  switch (output) {
    case "stdout":
      return stream === "stderr" ? { kind: output } : "only stderr can go where stdout goes";
    case "null":
    case "inherit":
    case "pipe":
    case "capture":
      return { kind: output };
  }
  if (typeof output === "number") return fdForm(output);
  if (isWritableStream(output)) return { kind: "stream", sink: output };
  if (typeof output !== "object" || output === null || !Object.hasOwn(output, "file")) {
    return "expected null, inherit, pipe, capture, a descriptor, a WritableStream or { file }";
  }
  const problem = pathProblem(output.file);
  if (problem !== undefined) return problem;
  const { file, append = false, mode = 0o666 } = own(output);
  if (typeof mode !== "number") return `a file mode is a number, not ${typeof mode}`;
  if (!Number.isInteger(mode) || mode < 0 || mode > 0o7777) return `${mode} is no file mode`;
  return { kind: "file", path: file, append, mode };
}

/**
 * A copy: what the caller does with its array later must not change the command. The `slice` of a
 * Buffer would share its memory.
 */
export function copied(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

/** What is wrong with a path, if anything. */
export function pathProblem(path: unknown): string | undefined {
  if (typeof path !== "string") return `a path is text, not ${typeof path}`;
  if (path === "") return "the path is empty";
  if (path.includes("\0")) return "the path contains a NUL byte";
  if (!path.isWellFormed()) return "the path contains a lone surrogate";
  return undefined;
}

/** Whether a number can be a file descriptor. */
export function isFd(fd: unknown): fd is number {
  return typeof fd === "number" && Number.isInteger(fd) && fd >= 0 && fd < 0x7fff_ffff;
}

function fdForm(fd: number): { kind: "fd"; fd: number } | string {
  return isFd(fd) ? { kind: "fd", fd } : `${fd} is no file descriptor`;
}

/** The bytes of a piece of input. Throws a UsageError for what is no piece. */
export function bytesIn(piece: unknown, encoder: TextEncoder): Uint8Array {
  if (typeof piece === "string") return encoder.encode(piece);
  if (isBytes(piece)) return piece;
  throw new UsageError(`stdin: a piece of input is text or a Uint8Array, not ${kindOf(piece)}`);
}

function kindOf(value: unknown): string {
  return value === null ? "null" : Array.isArray(value) ? "an array" : typeof value;
}

/** The tag of typed arrays, which those of other realms (node:vm, jsdom) have as well. */
const TAG = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  Symbol.toStringTag,
)?.get;

/** Whether a value is a Uint8Array, of whatever realm. */
export function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array || TAG?.call(value) === "Uint8Array";
}

/** Whether a value is a stream to read, of whatever realm or polyfill. */
export function isReadableStream(value: unknown): value is ReadableStream<Chunk> {
  return value instanceof ReadableStream || (has(value, "getReader") && has(value, "cancel"));
}

/** Whether a value is a stream to write, of whatever realm or polyfill. */
export function isWritableStream(value: unknown): value is WritableStream<Uint8Array> {
  return value instanceof WritableStream || (has(value, "getWriter") && has(value, "abort"));
}

/** Whether a value is an AbortSignal, of whatever realm or polyfill. */
export function isAbortSignal(value: unknown): value is AbortSignal {
  return value instanceof AbortSignal ||
    (has(value, "addEventListener") && has(value, "removeEventListener") &&
      typeof (value as { aborted?: unknown }).aborted === "boolean");
}

function has(value: unknown, method: string): boolean {
  return typeof value === "object" && value !== null &&
    typeof (value as Record<string, unknown>)[method] === "function";
}

/**
 * An emitter that fails before anybody listens ends the process: a file that is missing fails soon
 * after it was opened, and the pieces of a stream are first asked for when the program runs. The
 * failure itself is kept by the stream, and met by its iterator.
 */
function listenForErrors(source: object): void {
  if (!has(source, "on")) return;
  (source as { on(event: "error", listener: () => void): unknown }).on("error", () => {});
}

/** The pieces of a stream, whose lock is taken when they are asked for. */
function chunksOf(stream: ReadableStream<Chunk>): AsyncIterable<Chunk> {
  return { [Symbol.asyncIterator]: () => new StreamPieces(stream) };
}

/**
 * The pieces of a stream. Its own iterator will not do: asked to return while a read is pending, it
 * waits for that read, and a stream that never yields again would never be cancelled.
 */
export class StreamPieces implements AsyncIterator<Chunk, undefined> {
  readonly #reader: ReadableStreamDefaultReader<Chunk>;

  /** Takes the stream. Throws a StateError if somebody else has. */
  constructor(stream: ReadableStream<Chunk>) {
    if (stream.locked) {
      throw new StateError("stdin: the ReadableStream is locked: it is read already");
    }
    this.#reader = stream.getReader();
  }

  async next(): Promise<IteratorResult<Chunk, undefined>> {
    const { done, value } = await this.#reader.read();
    return done ? this.#over() : { done, value };
  }

  async return(): Promise<IteratorResult<Chunk, undefined>> {
    await this.#reader.cancel();
    return this.#over();
  }

  /** Gives the stream back. */
  release(): void {
    this.#reader.releaseLock();
  }

  #over(): IteratorResult<Chunk, undefined> {
    this.release();
    return { done: true, value: undefined };
  }
}
