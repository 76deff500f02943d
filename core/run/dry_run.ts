/**
 * The dry run: commands are recorded and answered instead of run, for tests of the code that runs
 * them. It holds in one asynchronous context; two at once do not see each other, and code outside
 * runs its commands as ever.
 *
 * @module
 */

import type { AsyncScope, Exit, Process, SyncOutcome } from "../backend.ts";
import { chosenBackend } from "./chosen_backend.ts";
import { displayValue } from "../command/builder.ts";
import { typeName } from "../command/type_name.ts";
import { UsageError } from "../errors.ts";
import { own } from "../own.ts";
import { chosenEnv, describe } from "../plan/plan.ts";
import { reveal } from "../text/secret.ts";
import { type SignalName, signalNumber } from "../tables/signals.ts";
import type { Spec } from "../command/spec.ts";
import { rawStatus } from "../result/status.ts";

/** A command as the handler of a dry run sees it. */
export interface DryCall {
  /** The argument list, argv[0] first; secrets in clear. */
  readonly argv: readonly string[];
  /** The environment that was chosen; undefined if the child would inherit everything. */
  readonly env: Readonly<Record<string, string>> | undefined;
  /** Everything that was given as standard input, as text; undefined if nothing was. */
  readonly input: string | undefined;
  /** The command as `toString()` shows it. */
  readonly command: string;
}

/** What a handler lets a command answer. What it leaves out is empty, and success. */
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

/** Answers a command, now or later; undefined for an empty success. */
export type DryHandler = (
  call: DryCall,
) => DryAnswer | undefined | void | Promise<DryAnswer | undefined | void>;

let answer: (dry: DryRun, spec: Spec, input: string | undefined) => Answered | Promise<Answered>;
let enter: (dry: DryRun, scope: AsyncScope<DryRun>) => DryRun;
let make: (handler: DryHandler | undefined) => DryRun;

/** A dry run that goes on until it is disposed of. Made by {@linkcode dryRun}. */
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

/** Whether something is a promise, of whatever realm. */
function isPromise<T>(given: T | Promise<T>): given is Promise<T> {
  return given instanceof Promise || Object.prototype.toString.call(given) === "[object Promise]";
}

/** An answer, with nothing left out. */
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

/** The dry run of the current context, if there is one. */
export function currentDryRun(): DryRun | undefined {
  return scope?.current();
}

/** What {@linkcode dryRun} is: a function, and the log of what went through it. */
export interface DryRunFunction {
  /** Runs `fn` with all commands in it recorded and answered; returns what it returns. */
  <R>(handler: DryHandler | null | undefined, fn: (dry: DryRun) => R): R;
  /** Starts a dry run in the current context, until it is disposed of. */
  (handler?: DryHandler | null): DryRun;
  /** The commands of the current context's dry run; outside of one, of the one begun last. */
  readonly log: readonly string[];
}

/**
 * Records commands instead of running them. Everything that would be an error of usage is one
 * here too; nothing is looked up in PATH and nothing is started. Passed descriptors that were to
 * be closed are closed.
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

/** Above what the kernel ever gives to a process (PID_MAX_LIMIT, 2^22): never somebody else's. */
let nextPid = 2 ** 22 + 1;

/** What `runSync` gets instead of a child. */
export function drySync(dry: DryRun, spec: Spec, input: Uint8Array | undefined): SyncOutcome {
  const given = answer(dry, spec, input && new TextDecoder().decode(input));
  if (isPromise(given)) {
    // What it comes to is of no interest any more.
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
    ...(spec.grouping?.kind === "daemon" ? { daemonPid: pid } : {}),
  };
}

/**
 * What everything else gets instead of a child: a process that reads its input to the end and then
 * answers, so that streams, lines, time limits and errors work as they do with a real one.
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
  const tended = ["pipe", "bytes", "stream"].includes(spec.stdin?.kind ?? "null");
  const decoder = new TextDecoder();
  const stdin: Process["stdin"] = {
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
  if (!tended && !spec.handshake) await ask(undefined);
  return {
    pid,
    exited,
    buffers: [],
    ...(tended ? { stdin } : {}),
    ...outputs,
    kill: (signal) => {
      const alive = !gone;
      if (alive && signal !== 0) end(signal);
      return alive;
    },
    ref: () => {},
    unref: () => {},
    ...(spec.grouping?.kind === "daemon" ? { daemonPid: pid } : {}),
    ...(spec.handshake ? { release } : {}),
  };
}

/** Bytes that are there already, as a source. */
class DrySource implements NonNullable<Process["stdout"]> {
  #pieces: Uint8Array[] = [];
  #receiver: Parameters<NonNullable<Process["stdout"]>["start"]>[0] | undefined;
  #finished = false;
  #over = false;

  push(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#pieces.push(bytes);
  }

  finish(): void {
    this.#finished = true;
    this.#flow();
  }

  start(receiver: Parameters<NonNullable<Process["stdout"]>["start"]>[0]): void {
    this.#receiver = receiver;
    this.#flow();
  }

  // In a turn of its own, as from a pipe.
  #flow(): void {
    if (this.#receiver === undefined || !this.#finished) return;
    queueMicrotask(() => {
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
  if (typeof value === "string") return new TextEncoder().encode(value);
  if (value instanceof Uint8Array) return value;
  throw new UsageError(`dryRun: an output is text or a Uint8Array, not ${typeName(value)}`);
}
