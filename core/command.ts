/**
 * The command: a builder that says what to run and how, and the ways of running it. Building has
 * no effect on the machine and never throws; running works on a frozen copy of what was built, as
 * often as it is asked to.
 *
 * @module
 */

import { addAll, begin } from "./command/build_arguments.ts";
import { LifecycleDraft } from "./command/build_lifecycle.ts";
import { backend } from "./backend.ts";
import type { Child } from "./run/child.ts";
import {
  areOptions,
  type Argument,
  displayValue,
  freeze,
  misuse,
  noted,
  typeName,
} from "./command/builder.ts";
import { ResultError, StateError, UsageError } from "./errors.ts";
import { escaped } from "./text/escape.ts";
import { execute, launch, outputsOf, runSynchronously } from "./run/launch.ts";
import { linesOf, matchLines, readRows, type RegexOptions } from "./run/lines.ts";
import { NO_OPTIONS, type RunOptions } from "./command/options.ts";
import { describe, displayParts, makePlan, resolveProgram } from "./plan/plan.ts";
import { type FormatOptions, plainCommand } from "./text/quote.ts";
import type { Result } from "./result/result.ts";
import { maskSecrets } from "./text/secret.ts";
import { isFd } from "./command/stdio.ts";
import type { Ids } from "./command/spec.ts";
import { resolveIds } from "./plan/identity.ts";

/**
 * A program to start, with everything the child is to have and nothing else. No shell is involved:
 * arguments reach the program as they are.
 *
 * @example
 * ```ts
 * import { Command } from "@vircommand/vircommand";
 *
 * const cmd = new Command("sort", "--reverse").env("LC_ALL", "C").stdin("a\nb\n").umask(0o077);
 * const { stdout } = await cmd.run();
 * console.log(stdout); // b\na\n
 * ```
 */
export class Command extends LifecycleDraft {
  /**
   * Says what to run.
   *
   * @param binary A path, or a bare name that is looked up in PATH when the command runs.
   * @param args The arguments after argv[0].
   */
  constructor(binary: string, ...args: Argument[]) {
    super();
    begin(this, binary, args);
  }

  /** A command from an argument list of any length, the binary first. */
  static from(argv: readonly Argument[]): Command {
    if (!Array.isArray(argv)) return notAList(argv);
    const command = new Command(argv[0] as string);
    addAll(command, argv.slice(1));
    return command;
  }

  /**
   * Runs the program and waits for its end. Standard output and error are captured unless they
   * were sent elsewhere.
   *
   * @throws {UsageError} The command was built wrongly.
   * @throws {UnsupportedError} This platform cannot do what it asks for.
   * @throws {SpawnError} The program could not be started.
   * @throws {ExitError} It ended with another status than success.
   * @throws {TimeoutError} It took longer than `timeout`.
   * @throws {AbortError} `signal` fired.
   * @throws {MaxBufferError} It wrote more than `maxBuffer` bytes to a captured stream.
   */
  async run(options: RunOptions = NO_OPTIONS): Promise<Result> {
    const child = await launch(this, options, { mode: "run" });
    return await child.wait();
  }

  /**
   * Runs the program and blocks until its end. As `run`, but without streams, iterables that are
   * asynchronous, and AbortSignals.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * console.log(new Command("echo", "hi").runSync().stdout); // hi\n
   * ```
   */
  runSync(options: RunOptions = NO_OPTIONS): Result {
    return runSynchronously(this, options);
  }

  /**
   * Starts the program. Resolves when it runs, that is, when exec has succeeded. Outputs go to
   * /dev/null unless something else was said.
   *
   * @throws {SpawnError} The program could not be started.
   */
  async spawn(options: RunOptions = NO_OPTIONS): Promise<Child> {
    return await launch(this, options, { mode: "spawn" });
  }

  /**
   * Replaces this process by the program: same pid, no return. Streams are inherited unless they
   * were set; no descriptor is closed that the runtime has not marked for it. What was set of the
   * process (umask, limits, ids, …) is set in this very process: should exec still fail, it stays.
   *
   * @throws {SpawnError} The program could not be executed.
   */
  exec(): never {
    return execute(this);
  }

  /** Runs the program and returns its standard output as text, nothing trimmed. */
  async text(options: RunOptions = NO_OPTIONS): Promise<string> {
    return (await this.run(options)).stdout;
  }

  /** Runs the program and returns its standard output as bytes. */
  async bytes(options: RunOptions = NO_OPTIONS): Promise<Uint8Array> {
    return (await this.run(options)).stdoutBytes;
  }

  /**
   * Runs the program and parses its standard output as JSON.
   *
   * @throws {ResultError} The output is not JSON.
   */
  async json<T = unknown>(options: RunOptions = NO_OPTIONS): Promise<T> {
    const result = await this.run(options);
    try {
      return JSON.parse(result.stdout) as T;
    } catch (error) {
      // The parser quotes what it could not read.
      const cause = new SyntaxError(
        escaped(maskSecrets((error as SyntaxError).message, noted(this).secrets)),
      );
      const { command } = result;
      const message = `the output is not JSON: ${cause.message}: ${command}`;
      throw new ResultError(message, result, { command, cause });
    }
  }

  /**
   * Runs the program and yields the lines of its standard output as they come, without their line
   * ends. Leaving the loop early stops the program; its end is checked when the lines are over.
   * `maxBuffer` bounds one line; the time limit and `drain` bound the reading.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * for await (const line of new Command("yes").lines()) {
   *   console.log(line); // y
   *   break;
   * }
   * ```
   */
  lines(options: RunOptions = NO_OPTIONS): AsyncGenerator<string, void, void> {
    return linesOf(this, options);
  }

  /**
   * Runs the program and calls `matched` for each line of its output that all of the expressions
   * match, with the groups of all of them. An error of `matched` stops the program.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * await new Command("printf", "a=1\\nb=2\\n").runRegex([/^(\w)=(\d)$/], ([name, value]) => {
   *   console.log(name, value); // a 1, then b 2
   * });
   * ```
   */
  async runRegex(
    expressions: RegExp | readonly RegExp[],
    matched: (groups: (string | undefined)[]) => unknown,
    options: RegexOptions = NO_OPTIONS,
  ): Promise<Result> {
    const all = Array.isArray(expressions) ? expressions as readonly RegExp[] : [expressions];
    if (!all.every(isRegExp)) {
      throw new UsageError("runRegex: expected a regular expression or an array of them");
    }
    requireFunction("runRegex", matched);
    requireOptions("runRegex", options);
    const { ignorePrefix } = options;
    if (ignorePrefix !== undefined && typeof ignorePrefix !== "string") {
      throw new UsageError(`runRegex: ignorePrefix: expected text, not ${typeName(ignorePrefix)}`);
    }
    return await matchLines(this, all, matched, options);
  }

  /**
   * Runs the program, whose output ends each value with a NUL byte, and calls `row` for every
   * `columns` values; what is left at the end is a last, shorter row.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * await new Command("printf", "a\\0001\\000b\\0002\\000").runNul(2, ([name, value]) => {
   *   console.log(name, value); // a 1, then b 2
   * });
   * ```
   */
  async runNul(
    columns: number,
    row: (values: string[]) => unknown,
    options: RunOptions = NO_OPTIONS,
  ): Promise<Result> {
    requireFunction("runNul", row);
    return await readRows(this, columns, row, options);
  }

  /**
   * The ids that the program would get, looked up now; undefined what stays as it is.
   *
   * @throws {UsageError} The user is unknown.
   */
  get ids(): Ids {
    const none = { uid: undefined, gid: undefined, groups: undefined };
    return resolveIds(noted(this), backend().system) ?? none;
  }

  /**
   * The file that would run: the binary itself if it has a slash, made absolute from the current
   * folder, whether there is such a file or not; else what is found in the child's PATH, if the
   * command sets one, or the parent's.
   *
   * @throws {SpawnError} There is no program of that bare name.
   */
  resolve(): string {
    return resolveProgram(freeze(this), backend().system);
  }

  /**
   * The command as text that a shell would take: environment first, then the arguments, quoted
   * where they must be. Secrets show as `***`.
   *
   * @param options `lineBreaks` puts options on lines of their own; `stripPath` shows the binary
   * without its folder.
   */
  override toString(options: FormatOptions = {}): string {
    return describe(freeze(this), backend().system, options);
  }

  /**
   * The steps and system calls between clone and exec, one a line, without running anything.
   * Control characters are shown by their code.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * console.log(new Command("true").umask(0o027).explain());
   * ```
   */
  explain(): string {
    const spec = freeze(this);
    const outputs = outputsOf(spec, { mode: "run" });
    const plan = makePlan(spec, backend().system, outputs);
    return backend().explain(plan).map(escaped).join("\n");
  }

  /**
   * Writes the command on one line, unquoted, to a descriptor or a stream (which stays open).
   * Secrets show as `***`, control characters by their code, so that no argument can forge a line.
   *
   * @throws {SystemCallError} The descriptor cannot be written to.
   */
  async writeArgLog(target: number | WritableStream<Uint8Array>): Promise<void> {
    const parts = displayParts(freeze(this), backend().system);
    const bytes = new TextEncoder().encode(`${escaped(plainCommand(parts))}\n`);
    if (isFd(target)) return backend().writeFd(target, bytes);
    if (typeof (target as Partial<WritableStream> | null)?.getWriter !== "function") {
      const given = displayValue(target);
      throw new UsageError(`writeArgLog(${given}): expected a descriptor or a WritableStream`);
    }
    if (target.locked) throw new StateError("writeArgLog: the WritableStream has a writer already");
    const writer = target.getWriter();
    try {
      await writer.write(bytes);
    } finally {
      writer.releaseLock();
    }
  }
}

/** Of this realm or another. */
function isRegExp(value: unknown): value is RegExp {
  return Object.prototype.toString.call(value) === "[object RegExp]";
}

function requireFunction(call: string, given: unknown): void {
  if (typeof given === "function") return;
  throw new UsageError(`${call}: expected a function, not ${typeName(given)}`);
}

function requireOptions(call: string, given: unknown): void {
  if (areOptions(given)) return;
  throw new UsageError(`${call}: expected options, not ${typeName(given)}`);
}

/** What came in place of an argument list; a text would have to be split, as a shell does. */
function notAList(given: unknown): Command {
  const command = new Command("none");
  misuse(command, `Command.from: expected an array such as ["ls", "-l"], not ${typeName(given)}`);
  return command;
}

/**
 * Runs an argument list: `Command.from(argv).run(options)`.
 *
 * @example
 * ```ts
 * import { run } from "@vircommand/vircommand";
 *
 * console.log((await run(["echo", "hello"])).stdout); // hello\n
 * ```
 */
export async function run(
  argv: readonly Argument[],
  options: RunOptions = NO_OPTIONS,
): Promise<Result> {
  return await Command.from(argv).run(options);
}

/** Runs an argument list and blocks until its end: `Command.from(argv).runSync(options)`. */
export function runSync(argv: readonly Argument[], options: RunOptions = NO_OPTIONS): Result {
  return Command.from(argv).runSync(options);
}
