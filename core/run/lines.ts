/**
 * Standard output line by line, as it comes.
 *
 * @module
 */

import { type Child, type Reading, readingOf } from "./child.ts";
import { areOptions, type Builder, displayValue, typeName } from "../command/builder.ts";
import type { Flow } from "./drain.ts";
import { CommandError, KillError, UsageError } from "../errors.ts";
import { launch } from "./launch.ts";
import { NO_OPTIONS, type RunOptions } from "../command/options.ts";
import { own } from "../own.ts";
import type { Result } from "../result/result.ts";
import { FULL_PIPE, SIGKILL } from "../timing.ts";

/**
 * Yields the lines of a program's output without their line ends (`\n`; a `\r` before it stays). A
 * last line without one is a line too.
 */
export async function* linesOf(
  builder: Builder,
  options: RunOptions,
): AsyncGenerator<string, void, void> {
  const child = await launch(builder, options, { ...READ, reader: "lines" });
  let failure: { error: unknown } | undefined;
  try {
    yield* pieces(child, "\n", "a line of stdout");
    await child.wait();
  } catch (error) {
    failure = { error };
    throw error;
  } finally {
    await dispose(child, failure);
  }
}

const READ = { mode: "run", stdout: "pipe" } as const;

/** What lines are made from. */
export interface Bytes {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
  cancel(): Promise<void>;
}

/** The pieces of a child's output, none longer than `maxBuffer`. */
function pieces(
  child: Child,
  separator: string,
  name: string,
): AsyncGenerator<string, void, void> {
  const reading = readingOf(child);
  const { limit, overflow } = reading;
  const output = new Output(child.stdout, reading);
  return splitLines(output, separator, { limit, overflow: () => overflow(name) });
}

/** How much is handed over without a turn of the event loop, and at once, in bytes. */
const BEFORE_TURN = 512 * 1024;
const MAX_PIECE = 64 * 1024;

/** A runtime may have read ahead: what that can be counts as what a pipe can have held, in bytes. */
const COUNTED_AS_PIECE = 16 * 1024;

/**
 * A program's output. It is read as it is asked for, so that a slow caller holds the program up;
 * once the program has ended, what is left is read at once, and waited for no longer than `drain`
 * says: a descendant may hold the pipe open for ever, or write into it without an end. So the time
 * that the caller takes for what he has got does not count.
 */
class Output implements Bytes, Flow {
  readonly done: Promise<void>;
  lastArrival = 0;
  pieces = 0;
  /** Whether the caller has more to take than a pipe can have held. */
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

  /** Takes what there is, and no more. */
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

  /** Lets timers and signals have their turn: a stream that always has more would leave them none. */
  async #turn(): Promise<void> {
    this.#sinceTurn = 0;
    await new Promise((resolve) => setTimeout(resolve, 0));
  }

  #finish(): void {
    this.#over = true;
    this.#end();
    this.#arrived();
    this.#taken();
  }
}

/** How long a line may be. */
export interface LineBound {
  /** In bytes, its end not counted. */
  readonly limit: number;
  /** Called for a longer one, of which nothing is yielded; the lines end. */
  readonly overflow: () => void;
}

const NO_BOUND: LineBound = { limit: Infinity, overflow() {} };

/** Splits bytes at each `separator`, one ASCII character. */
export async function* splitLines(
  reader: Bytes,
  separator = "\n",
  { limit, overflow }: LineBound = NO_BOUND,
): AsyncGenerator<string, void, void> {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const exceeds = lengthCheck(separator.charCodeAt(0), limit);
  // Pieces of a line that has not ended yet are kept apart: joining them one by one would make a
  // long line cost its length squared.
  let open: string[] = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      const tooLongAt = value === undefined ? undefined : exceeds(value);
      const bytes = tooLongAt === undefined ? value : value?.subarray(0, tooLongAt);
      const text = done ? decoder.decode() : decoder.decode(bytes, { stream: true });
      const [first = "", ...others] = text.split(separator);
      open.push(first);
      for (const each of others) {
        yield open.join("");
        open = [each];
      }
      if (tooLongAt !== undefined) return overflow();
      if (!done) continue;
      const last = open.join("");
      if (last !== "") yield last;
      return;
    }
  } finally {
    // Ends the program's output too, if the caller has left the loop.
    await reader.cancel();
  }
}

/** Follows lines through pieces; returns where in a piece a line begins that is too long. */
function lengthCheck(
  separator: number,
  limit: number,
): (piece: Uint8Array) => number | undefined {
  let open = 0;
  if (limit === Infinity) return () => undefined;
  return (piece) => {
    for (let begin = 0;;) {
      const end = piece.indexOf(separator, begin);
      open += (end < 0 ? piece.length : end) - begin;
      if (open > limit) return begin;
      if (end < 0) return undefined;
      open = 0;
      begin = end + 1;
    }
  };
}

/** How `runRegex` reads lines. */
export interface RegexOptions extends RunOptions {
  /** Text that is taken off the start of each line that begins with it. */
  readonly ignorePrefix?: string;
}

/**
 * Calls `matched` for each line that all of the expressions match, with the groups of all of
 * them, in order; a group that took no part is undefined.
 */
export async function matchLines(
  builder: Builder,
  expressions: RegExp | readonly RegExp[],
  matched: (groups: (string | undefined)[]) => unknown,
  options: RegexOptions,
): Promise<Result> {
  const all: readonly unknown[] = Array.isArray(expressions) ? expressions : [expressions];
  if (!all.every(isRegExp)) {
    throw new UsageError("runRegex: expected a regular expression or an array of them");
  }
  requireFunction("runRegex", matched);
  const prefix = ignoredPrefix(options);
  // A sticky or global expression remembers where it was: each line is to be matched afresh.
  const fresh = all.map((each) => new RegExp(each.source, each.flags.replace(/[gy]/g, "")));
  const how: ReadMode = { reader: "runRegex", separator: "\n", name: "a line of stdout" };
  return await consume(builder, options, how, async (line) => {
    const text = line.startsWith(prefix) ? line.slice(prefix.length) : line;
    const groups: (string | undefined)[] = [];
    for (const expression of fresh) {
      const match = expression.exec(text);
      if (match === null) return;
      groups.push(...match.slice(1));
    }
    await matched(groups);
  });
}

/**
 * Calls `row` for every `columns` texts of an output that ends each with a NUL byte, as `find
 * -print0` does. What is left at the end comes as a last, shorter row; no output, no row.
 */
export async function readRows(
  builder: Builder,
  columns: number,
  row: (values: string[]) => unknown,
  options: RunOptions,
): Promise<Result> {
  requireFunction("runNul", row);
  if (!Number.isInteger(columns) || columns < 1) {
    throw new UsageError(`runNul(${displayValue(columns)}): expected 1 column or more`);
  }
  let values: string[] = [];
  const how: ReadMode = { reader: "runNul", separator: "\0", name: "a value of stdout" };
  const result = await consume(builder, options, how, async (value) => {
    values.push(value);
    if (values.length < columns) return;
    const whole = values;
    values = [];
    await row(whole);
  });
  if (values.length > 0) await row(values);
  return result;
}

function ignoredPrefix(options: RegexOptions): string {
  if (!areOptions(options)) {
    throw new UsageError(`runRegex: expected options, not ${typeName(options)}`);
  }
  const { ignorePrefix = "" } = options === NO_OPTIONS ? options as RegexOptions : own(options);
  if (typeof ignorePrefix === "string") return ignorePrefix;
  throw new UsageError(`runRegex: ignorePrefix: expected text, not ${typeName(ignorePrefix)}`);
}

function requireFunction(call: string, given: unknown): void {
  if (typeof given === "function") return;
  throw new UsageError(`${call}: expected a function, not ${typeName(given)}`);
}

/** Reports whether a value is a regular expression, of any realm. */
function isRegExp(value: unknown): value is RegExp {
  return Object.prototype.toString.call(value) === "[object RegExp]";
}

/** Who reads, and what one piece is. */
interface ReadMode {
  readonly reader: string;
  readonly separator: string;
  /** For people: what one of them is. */
  readonly name: string;
}

/** Runs a command and hands over its output piece by piece; an error of `take` ends it. */
async function consume(
  builder: Builder,
  options: RunOptions,
  { reader, separator, name }: ReadMode,
  take: (piece: string) => Promise<void>,
): Promise<Result> {
  const child = await launch(builder, options, { ...READ, reader });
  let failure: { error: unknown } | undefined;
  try {
    for await (const piece of pieces(child, separator, name)) await take(piece);
    return await child.wait();
  } catch (error) {
    failure = { error };
    throw error;
  } finally {
    await dispose(child, failure);
  }
}

/** Ends a child that was read. That it cannot be ended is said once, and before anything else. */
async function dispose(child: Child, failure: { readonly error: unknown } | undefined) {
  try {
    await child[Symbol.asyncDispose]();
  } catch (error) {
    if (failure === undefined) throw error;
    const known: unknown = failure.error;
    if (known instanceof KillError || (known as { killError?: unknown } | null)?.killError) return;
    const { message, command } = error as CommandError;
    throw error instanceof KillError
      ? new KillError({
        pid: child.pid,
        signal: SIGKILL,
        errno: error.errno,
        command,
        cause: known,
      })
      : new CommandError(message, { command, cause: known });
  }
}
