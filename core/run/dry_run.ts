/**
 * The dry run: commands are recorded and answered instead of run, for tests of the code that runs
 * them. It applies to one asynchronous context. Two of them do not affect each other, and code outside
 * runs its commands as usual.
 *
 * @module
 */

import { isBytes } from "../bytes.ts";
import type { AsyncScope, Exit, Process, Receiver, Sink, Source, SyncOutcome } from "../backend.ts";
import { chosenBackend } from "./chosen_backend.ts";
import { displayValue } from "../command/builder.ts";
import { typeName } from "../command/type_name.ts";
import { UsageError } from "../errors.ts";
import { defined, own } from "../own.ts";
import { chosenEnv, describe } from "../plan/plan.ts";
import { reveal } from "../text/secret.ts";
import { type SignalName, signalNumber } from "../tables/signals.ts";
import type { Spec } from "../command/spec.ts";
import { rawStatus } from "../result/status.ts";
import { web } from "../web.ts";

/** A command as the handler of a dry run sees it. */
export interface DryCall {
  /** The argument list, argv[0] first; secrets in clear. */
  readonly argv: readonly string[];
  /** The environment of the child; undefined if it inherits the whole one. */
  readonly env: Readonly<Record<string, string>> | undefined;
  /** The whole standard input as text; undefined if there is none. */
  readonly input: string | undefined;
  /** The command as `toString()` shows it. */
  readonly command: string;
}

/** The answer of a handler. The default is a success without output. */
export interface DryAnswer {
  /** What the program would write to standard output. */
  readonly stdout?: string | Uint8Array;
  /** What it would write to standard error. */
  readonly stderr?: string | Uint8Array;
  /** Its exit code. Default 0. */
  readonly code?: number;
  /** The signal that would end it, instead of a code. */
  readonly signal?: SignalName | number;
}

/** Answers a command, with a value or a promise; undefined is a success without output. */
export type DryHandler = (
  call: DryCall,
) => DryAnswer | undefined | void | Promise<DryAnswer | undefined | void>;

let answer: (dry: DryRun, spec: Spec, input: string | undefined) => Answered | Promise<Answered>;
let enter: (dry: DryRun, scope: AsyncScope<DryRun>) => DryRun;
let make: (handler: DryHandler | undefined) => DryRun;

/** A dry run that lasts until it is disposed of. Made by {@linkcode dryRun}. */
export class DryRun implements Disposable {
  readonly #handler: DryHandler | undefined;
  readonly #log: string[] = [];
  #end: () => void = () => {};

  private constructor(handler: DryHandler | undefined) {
    this.#handler = handler;
  }

  static {
    make = (handler) => new DryRun(handler);
    enter = (dry, scope) => {
      const before = scope.current();
      scope.enter(dry);
      dry.#end = () => scope.enter(before);
      return dry;
    };
    answer = (dry, spec, input) => {
      const call = callOf(spec, input);
      dry.#log.push(call.command);
      const given = dry.#handler?.(call);
      return isPromise(given) ? given.then(answered) : answered(given);
    };
  }

  /** The commands that were run, in order, as `toString()` shows them. */
  get log(): readonly string[] {
    return this.#log;
  }

  /** Ends the dry run in this context. */
  [Symbol.dispose](): void {
    this.#end();
  }
}

/** Reports whether a value is a promise, of any realm. */
function isPromise<T>(given: T | Promise<T>): given is Promise<T> {
  return given instanceof Promise || Object.prototype.toString.call(given) === "[object Promise]";
}

/** A complete answer. */
interface Answered {
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  readonly raw: number;
}

function callOf(spec: Spec, input: string | undefined): DryCall {
  const system = chosenBackend().system;
  const env = chosenEnv(spec, system);
  return {
    argv: [spec.arg0 ?? spec.binary, ...spec.args].map(reveal),
    env: env === undefined ? undefined : Object.fromEntries(env),
    input,
    command: describe(spec, system),
  };
}

function answered(given: DryAnswer | undefined | void): Answered {
  const { stdout = "", stderr = "", code = 0, signal } = own<DryAnswer>(given ?? {});
  const number = signal === undefined ? undefined : signalNumber(signal);
  if (signal !== undefined && number === undefined) {
    const given = displayValue(signal);
    throw new UsageError(`dryRun: the handler answered with the unknown signal ${given}`);
  }
  if (typeof code !== "number" || !Number.isInteger(code)) {
    throw new UsageError(`dryRun: the handler answered with the exit code ${displayValue(code)}`);
  }
  return { stdout: toBytes(stdout), stderr: toBytes(stderr), raw: rawStatus(code, number) };
}

let scope: AsyncScope<DryRun> | undefined;
let latest: DryRun | undefined;

/** Returns the dry run of the current context, if there is one. */
export function currentDryRun(): DryRun | undefined {
  return scope?.current();
}

/** What {@linkcode dryRun} is: a function, and the log of what went through it. */
export interface DryRunFunction {
  /** Runs `fn` with all commands in it recorded and answered; returns what it returns. */
  <R>(handler: DryHandler | null | undefined, fn: (dry: DryRun) => R): R;
  /** Starts a dry run in the current context, until it is disposed of. */
  (handler?: DryHandler | null): DryRun;
  /** The commands of the current context's dry run; without one, of the last that was started. */
  readonly log: readonly string[];
}

/**
 * Records commands instead of running them. Wrong usage is the same error as in a run. Nothing is
 * looked up in PATH, and nothing is started. Descriptors that were passed with `closeParent` are
 * closed.
 *
 * @example
 * ```ts
 * import { Command, dryRun } from "@vircommand/vircommand";
 *
 * const out = await dryRun(
 *   ({ argv }) => ({ stdout: `${argv.length} words` }),
 *   () => new Command("no-such-program", "a b").text(),
 * );
 * console.log(out, dryRun.log); // 2 words [ "no-such-program 'a b'" ]
 * ```
 */
export const dryRun: DryRunFunction = Object.defineProperty(
  (<R>(handler?: DryHandler | null, fn?: (dry: DryRun) => R): R | DryRun => {
    for (const each of [handler ?? undefined, fn]) {
      if (each === undefined || typeof each === "function") continue;
      throw new UsageError(`dryRun: expected a function, not ${typeName(each)}`);
    }
    scope ??= chosenBackend().asyncScope<DryRun>();
    const dry = make(handler ?? undefined);
    latest = dry;
    return fn === undefined ? enter(dry, scope) : scope.run(dry, () => fn(dry));
  }) as DryRunFunction,
  "log",
  { get: () => (currentDryRun() ?? latest)?.log ?? [] },
);

const NO_USAGE: Exit["usage"] = { userMs: 0, systemMs: 0, maxRssBytes: 0 };

/** Greater than any real pid (PID_MAX_LIMIT is 2^22), so that it is never that of a process. */
let nextPid = 2 ** 22 + 1;

/** Answers `runSync`. */
export function drySync(dry: DryRun, spec: Spec, input: Uint8Array | undefined): SyncOutcome {
  const given = answer(dry, spec, input && new web.TextDecoder().decode(input));
  if (isPromise(given)) {
    // Its rejection must not be an unhandled one.
    given.then(() => {}, () => {});
    throw new UsageError("dryRun: runSync cannot wait for an asynchronous handler");
  }
  const { stdout, stderr, raw } = given;
  const pid = nextPid++;
  return {
    pid,
    exit: { raw, usage: NO_USAGE },
    stdout,
    stderr,
    timedOut: false,
    overflowed: undefined,
    drained: true,
    ...defined({ daemonPid: daemonPidOf(spec, pid) }),
  };
}

function daemonPidOf({ grouping }: Spec, pid: number): number | undefined {
  return grouping?.kind === "daemon" ? pid : undefined;
}

/**
 * Answers all other ways of running, with a process that reads its input to the end and then answers.
 * So streams, lines, time limits and errors work as with a real one.
 */
export async function dryProcess(dry: DryRun, spec: Spec): Promise<Process> {
  const pid = nextPid++;
  const outputs = { stdout: new DrySource(), stderr: new DrySource() };
  let settle: (exit: Exit) => void = () => {};
  const exited = new Promise<Exit>((resolve) => settle = resolve);
  let gone = false;
  let input = "";
  const end = (raw: number) => {
    if (gone) return;
    gone = true;
    outputs.stdout.finish();
    outputs.stderr.finish();
    settle({ raw, usage: NO_USAGE });
  };
  const respond = ({ stdout, stderr, raw }: Answered) => {
    if (gone) return;
    outputs.stdout.push(stdout);
    outputs[spec.stderr?.kind === "stdout" ? "stdout" : "stderr"].push(stderr);
    end(raw);
  };
  const ask = async (given: string | undefined) => {
    if (!gone) respond(await answer(dry, spec, given));
  };
  const hasInput = ["pipe", "bytes", "stream"].includes(spec.stdin?.kind ?? "null");
  const decoder = new web.TextDecoder();
  const stdin: Sink = {
    write: (bytes) => {
      input += decoder.decode(bytes, { stream: true });
      return Promise.resolve();
    },
    end: () => ask(input + decoder.decode()),
    close: () => {},
    ref: () => {},
    unref: () => {},
  };
  const release = () => ask(undefined);
  if (!hasInput && !spec.handshake) await ask(undefined);
  return defined({
    pid,
    exited,
    buffers: [],
    stdin: hasInput ? stdin : undefined,
    ...outputs,
    kill: (signal: number) => {
      const alive = !gone;
      if (alive && signal !== 0) end(signal);
      return alive;
    },
    ref: () => {},
    unref: () => {},
    daemonPid: daemonPidOf(spec, pid),
    release: spec.handshake ? release : undefined,
  });
}

/** A source of bytes that are known in advance. */
class DrySource implements Source {
  #pieces: Uint8Array[] = [];
  #receiver: Receiver | undefined;
  #finished = false;
  #over = false;

  push(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#pieces.push(bytes);
  }

  finish(): void {
    this.#finished = true;
    this.#flow();
  }

  start(receiver: Receiver): void {
    this.#receiver = receiver;
    this.#flow();
  }

  // In a later turn, as from a pipe.
  #flow(): void {
    if (this.#receiver === undefined || !this.#finished) return;
    void Promise.resolve().then(() => {
      for (const bytes of this.#pieces.splice(0)) {
        if (!this.#over) this.#receiver?.chunk(bytes, false);
      }
      if (!this.#over) this.#receiver?.end();
      this.#over = true;
    });
  }

  pause(): void {}

  resume(): void {}

  close(): void {
    this.#over = true;
  }

  ref(): void {}

  unref(): void {}
}

function toBytes(value: string | Uint8Array): Uint8Array {
  if (typeof value === "string") return new web.TextEncoder().encode(value);
  if (isBytes(value)) return value;
  throw new UsageError(`dryRun: an output is text or a Uint8Array, not ${typeName(value)}`);
}
