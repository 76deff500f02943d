/**
 * Standard output line by line, as it comes.
 *
 * @module
 */

import { type Child, drainOf } from "./child.ts";
import type { Draft } from "./draft.ts";
import { launch } from "./launch.ts";
import { after, type RunOptions } from "./options.ts";
import { UsageError } from "./errors.ts";
import type { Result } from "./result.ts";

/**
 * Yields the lines of a program's output without their line ends (`\n`; a `\r` before it stays). A
 * last line without one is a line too.
 */
export async function* linesOf(
  draft: Draft,
  options: RunOptions,
): AsyncGenerator<string, void, void> {
  const child = await launch(draft, options, { mode: "run", stdout: "pipe" });
  try {
    yield* splitLines(drained(child));
    await child.wait();
  } finally {
    await child[Symbol.asyncDispose]();
  }
}

/** What lines are made from. */
export interface Bytes {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
  cancel(): Promise<void>;
}

/**
 * A program's output, until its end. A descendant of the program may hold the pipe open for ever:
 * once the program has ended, a wait for more of `drain` milliseconds is the end as well. Time that
 * the caller takes for what he has got does not count.
 */
function drained(child: Child): Bytes {
  const reader = child.stdout.getReader();
  const { exited, drain, giveUp } = drainOf(child);
  let stop = () => {};
  let over = false;
  let waiting = false;
  const limit = () => {
    stop = after(drain, () => {
      giveUp();
      reader.cancel();
    });
  };
  exited.then(() => {
    over = true;
    if (waiting) limit();
  });
  return {
    async read() {
      waiting = true;
      if (over) limit();
      try {
        return await reader.read();
      } finally {
        waiting = false;
        stop();
      }
    },
    cancel: () => reader.cancel(),
  };
}

/** Splits bytes at each `separator`. */
export async function* splitLines(
  reader: Bytes,
  separator = "\n",
): AsyncGenerator<string, void, void> {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  // Pieces of a line that has not ended yet are kept apart: joining them one by one would make a
  // long line cost its length squared.
  let open: string[] = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      const text = done ? decoder.decode() : decoder.decode(value, { stream: true });
      const [first = "", ...others] = text.split(separator);
      open.push(first);
      for (const each of others) {
        yield open.join("");
        open = [each];
      }
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
  draft: Draft,
  expressions: readonly RegExp[],
  matched: (groups: (string | undefined)[]) => unknown,
  options: RegexOptions,
): Promise<Result> {
  // A sticky or global expression remembers where it was: each line is to be matched afresh.
  const fresh = expressions.map((each) => new RegExp(each.source, each.flags.replace(/[gy]/g, "")));
  const { ignorePrefix = "" } = options;
  return await consume(draft, options, "\n", async (line) => {
    const text = ignorePrefix !== "" && line.startsWith(ignorePrefix)
      ? line.slice(ignorePrefix.length)
      : line;
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
  draft: Draft,
  columns: number,
  row: (values: string[]) => unknown,
  options: RunOptions,
): Promise<Result> {
  if (!Number.isInteger(columns) || columns < 1) {
    throw new UsageError(`runNul(${columns}): expected 1 column or more`);
  }
  let values: string[] = [];
  const result = await consume(draft, options, "\0", async (value) => {
    values.push(value);
    if (values.length < columns) return;
    const whole = values;
    values = [];
    await row(whole);
  });
  if (values.length > 0) await row(values);
  return result;
}

/** Runs a command and hands over its output piece by piece; an error of `take` ends it. */
async function consume(
  draft: Draft,
  options: RunOptions,
  separator: string,
  take: (piece: string) => Promise<void>,
): Promise<Result> {
  const child = await launch(draft, options, { mode: "run", stdout: "pipe" });
  try {
    for await (const piece of splitLines(drained(child), separator)) await take(piece);
    return await child.wait();
  } finally {
    await child[Symbol.asyncDispose]();
  }
}
