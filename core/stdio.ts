/**
 * The forms that `stdin`, `stdout` and `stderr` take: what people write, and what is kept of it.
 *
 * @module
 */

import { StateError, UsageError } from "./errors.ts";

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
  if (input instanceof Uint8Array) return { kind: "bytes", bytes: copied(input) };
  // Their iterators would give numbers, of which no byte order is known.
  if (ArrayBuffer.isView(input)) return "bytes are a Uint8Array, not another view of memory";
  if (typeof input !== "object" || input === null) return `${typeof input} is no input`;
  if (input instanceof ReadableStream) return { kind: "stream", source: chunksOf(input) };
  if (Symbol.asyncIterator in input || Symbol.iterator in input) {
    return { kind: "stream", source: input };
  }
  if ("file" in input) return pathProblem(input.file) ?? { kind: "file", path: input.file };
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
  if (output instanceof WritableStream) return { kind: "stream", sink: output };
  if (typeof output !== "object" || output === null || !("file" in output)) {
    return "expected null, inherit, pipe, capture, a descriptor, a WritableStream or { file }";
  }
  const problem = pathProblem(output.file);
  if (problem !== undefined) return problem;
  const { file, append = false, mode = 0o666 } = output;
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

/** The bytes of a piece of input. Throws a UsageError for what is no piece. */
export function bytesIn(piece: unknown, encoder: TextEncoder): Uint8Array {
  if (typeof piece === "string") return encoder.encode(piece);
  if (piece instanceof Uint8Array) return piece;
  throw new UsageError(`stdin: a piece of input is text or a Uint8Array, not ${kindOf(piece)}`);
}

function kindOf(value: unknown): string {
  return value === null ? "null" : Array.isArray(value) ? "an array" : typeof value;
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

/**
 * The pieces of a stream. Its own iterator will not do: asked to return while a read is pending, it
 * waits for that read, and a stream that never yields again would never be cancelled.
 */
function chunksOf(stream: ReadableStream<Chunk>): AsyncIterable<Chunk> {
  return {
    [Symbol.asyncIterator]() {
      if (stream.locked) {
        throw new StateError("stdin: the ReadableStream is locked: it is read already");
      }
      const reader = stream.getReader();
      const release = (result: IteratorResult<Chunk, undefined>) => {
        reader.releaseLock();
        return result;
      };
      const over: IteratorResult<Chunk, undefined> = { done: true, value: undefined };
      return {
        async next() {
          const { done, value } = await reader.read();
          return done ? release(over) : { done, value };
        },
        async return() {
          await reader.cancel();
          return release(over);
        },
      };
    },
  };
}
