/**
 * Runs a command and hands over its standard output piece by piece, as it comes.
 *
 * @module
 */

import { type Child, readingOf } from "./child.ts";
import { areOptions, type Builder, displayValue } from "../command/builder.ts";
import { typeName } from "../command/type_name.ts";
import { CommandError, KillError, UsageError } from "../errors.ts";
import { launch } from "./launch.ts";
import { NO_OPTIONS, type RunOptions } from "../command/options.ts";
import { own } from "../own.ts";
import type { Result } from "../result/result.ts";
import { SIGKILL } from "../timing.ts";
import { PipedOutput } from "./piped_output.ts";
import { splitLines } from "./split_lines.ts";

/**
 * Yields the lines of a program's output without their ends (`\n`; a `\r` before it stays). A last
 * line without an end is yielded, too.
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

/** Yields the pieces of a child's output, none longer than `maxBuffer`. */
function pieces(
  child: Child,
  separator: string,
  name: string,
): AsyncGenerator<string, void, void> {
  const reading = readingOf(child);
  const { limit, overflow } = reading;
  const output = new PipedOutput(child.stdout, reading);
  return splitLines(output, separator, { limit, overflow: () => overflow(name) });
}

/** How `runRegex` reads lines. */
export interface RegexOptions extends RunOptions {
  /** Text that is removed from the start of each line that begins with it. */
  readonly ignorePrefix?: string;
}

/**
 * Calls `matched` for each line that all of the expressions match, with the groups of all of them, in
 * order. A group that did not match is undefined.
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
  // Without the flags that make an expression start where its last match ended.
  const stateless = all.map((each) => new RegExp(each.source, each.flags.replace(/[gy]/g, "")));
  const how: ReadMode = { reader: "runRegex", separator: "\n", name: "a line of stdout" };
  return await consume(builder, options, how, async (line) => {
    const text = line.startsWith(prefix) ? line.slice(prefix.length) : line;
    const groups: (string | undefined)[] = [];
    for (const expression of stateless) {
      const match = expression.exec(text);
      if (match === null) return;
      groups.push(...match.slice(1));
    }
    await matched(groups);
  });
}

/**
 * Calls `row` for every `columns` texts of an output that ends each text with a NUL byte, as `find
 * -print0` does. The last row may be shorter. Without output, there is no row.
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

/** How output is read piece by piece. */
interface ReadMode {
  /** The method, for messages. */
  readonly reader: string;
  /** The character that ends a piece. */
  readonly separator: string;
  /** What a piece is, for messages. */
  readonly name: string;
}

/** Runs a command and calls `take` for each piece of its output. An error of `take` ends it. */
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

/**
 * Ends a child that was read. If it cannot be ended, that is the error, and the error of the reading
 * is its cause; unless the latter reports the same already.
 */
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
