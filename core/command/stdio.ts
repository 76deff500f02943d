/**
 * The standard streams of a command: what callers pass, and the form in which a spec keeps it.
 *
 * @module
 */

import { isBytes } from "../bytes.ts";
import { typeName } from "./type_name.ts";
import { StateError, UsageError } from "../errors.ts";
import { own } from "../own.ts";
import { web } from "../web.ts";

/** A piece of input: text is encoded as UTF-8. */
export type Chunk = string | Uint8Array;

/**
 * A file by its path. Relative paths count from the parent's current folder. A FIFO without a writer
 * is an empty input: to wait for a writer would block the event loop.
 */
export interface InputFile {
  /** The path. */
  readonly file: string;
}

/** A file to write to. It is created if it is missing, and emptied unless `append` is set. */
export interface OutputFile {
  /** The path; relative paths count from the parent's current folder. */
  readonly file: string;
  /** Append to the file. Default false: the file is emptied first. */
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

/** What `stderr()` takes: as `stdout()`, and `"stdout"` for the same target. */
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

/** Converts an input; returns a message if it is invalid. */
export function stdinForm(input: StdinInput): StdinForm | string {
  switch (input) {
    case "null":
    case "inherit":
    case "pipe":
      return { kind: input as "null" | "inherit" | "pipe" };
  }
  if (typeof input === "number") return fdForm(input);
  if (typeof input === "string") {
    return { kind: "bytes", bytes: new web.TextEncoder().encode(input) };
  }
  if (isBytes(input)) return { kind: "bytes", bytes: copied(input) };
  // Their iterators yield numbers of several bytes, whose byte order is unknown.
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

/** Converts an output; returns a message if it is invalid. */
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
 * Copies bytes, so that later changes by the caller do not change the command. Not with `slice`: that
 * of a Buffer shares its memory.
 */
export function copied(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

/** Reports what is wrong with a path; undefined if nothing is. */
export function pathProblem(path: unknown): string | undefined {
  if (typeof path !== "string") return `a path is text, not ${typeof path}`;
  if (path === "") return "the path is empty";
  if (path.includes("\0")) return "the path contains a NUL byte";
  if (!path.isWellFormed()) return "the path contains a lone surrogate";
  return undefined;
}

/** Reports whether a value can be a file descriptor. */
export function isFd(fd: unknown): fd is number {
  return typeof fd === "number" && Number.isInteger(fd) && fd >= 0 && fd < 0x7fff_ffff;
}

function fdForm(fd: number): { kind: "fd"; fd: number } | string {
  return isFd(fd) ? { kind: "fd", fd } : `${fd} is no file descriptor`;
}

/** Returns the bytes of a piece of input. Throws a UsageError if it is neither text nor bytes. */
export function bytesIn(piece: unknown, encoder: TextEncoder): Uint8Array {
  if (typeof piece === "string") return encoder.encode(piece);
  if (isBytes(piece)) return piece;
  throw new UsageError(`stdin: a piece of input is text or a Uint8Array, not ${typeName(piece)}`);
}

/** Reports whether a value is a stream to read, of any realm or polyfill. */
export function isReadableStream(value: unknown): value is ReadableStream<Chunk> {
  return has(value, "getReader") && has(value, "cancel");
}

/** Reports whether a value is a stream to write, of any realm or polyfill. */
export function isWritableStream(value: unknown): value is WritableStream<Uint8Array> {
  return has(value, "getWriter") && has(value, "abort");
}

/** Reports whether a value is an AbortSignal, of any realm or polyfill. */
export function isAbortSignal(value: unknown): value is AbortSignal {
  return has(value, "addEventListener") && has(value, "removeEventListener") &&
    typeof (value as { aborted?: unknown }).aborted === "boolean";
}

function has(value: unknown, method: string): boolean {
  return typeof value === "object" && value !== null &&
    typeof (value as Record<string, unknown>)[method] === "function";
}

/**
 * Listens for errors of a Node stream. An emitter without a listener ends the process if it fails,
 * and a stream of a missing file fails before the program runs and the stream is read. Its iterator
 * throws the same error later.
 */
function listenForErrors(source: object): void {
  if (!has(source, "on")) return;
  (source as { on(event: "error", listener: () => void): unknown }).on("error", () => {});
}

/** Returns the pieces of a stream. The stream is locked when they are first read. */
function chunksOf(stream: ReadableStream<Chunk>): AsyncIterable<Chunk> {
  return { [Symbol.asyncIterator]: () => new StreamPieces(stream) };
}

/**
 * The pieces of a stream. Its own iterator waits for a pending read before it returns, so that a
 * stream that never yields again would never be cancelled.
 */
export class StreamPieces implements AsyncIterator<Chunk, undefined> {
  readonly #reader: ReadableStreamDefaultReader<Chunk>;

  /** Locks the stream. Throws a StateError if it is locked already. */
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

  /** Unlocks the stream. */
  release(): void {
    this.#reader.releaseLock();
  }

  #over(): IteratorResult<Chunk, undefined> {
    this.release();
    return { done: true, value: undefined };
  }
}
