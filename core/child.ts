/**
 * A child that was started: its streams, its signals, its end. The one place where a process, what
 * is fed to it, what is gathered from it, its time limit and its judgement come together.
 *
 * @module
 */

import type { Exit, Process } from "./backend.ts";
import { endOf } from "./drain.ts";
import { shownValue } from "./draft.ts";
import { HandshakeError, StateError, UsageError } from "./errors.ts";
import { judge, type Verdict } from "./judgement.ts";
import { type Event, type State, transition } from "./lifecycle.ts";
import { after, type CheckedOptions, checkOptions, type RunOptions } from "./options.ts";
import { shownArgv, type Spoken } from "./plan.ts";
import { Result } from "./result.ts";
import { type SignalName, signalNumber } from "./signals.ts";
import type { Spec } from "./spec.ts";
import { decodeStatus } from "./status.ts";
import type { Chunk, OutputForm } from "./stdio.ts";
import {
  capture,
  feedBytes,
  type Feeding,
  feedStream,
  type Gathering,
  type Outlet,
  pour,
  readableFrom,
  type SharedWriter,
  writableTo,
  writersOf,
} from "./streams.ts";

/** What a child is made from. */
export interface Started {
  readonly spec: Spec;
  readonly plan: Spoken;
  readonly process: Process;
  readonly options: CheckedOptions;
  readonly outputs: { readonly stdout: OutputForm; readonly stderr: OutputForm };
  /** Why it was killed before it came to its program, if it was. */
  readonly verdict: Verdict | undefined;
  /** When the start was begun, as `performance.now()` counts. */
  readonly since: number;
}

/** What there is to know for who reads a child's output to its end, and no longer. */
export interface Drain {
  /** Resolves when the program has ended. */
  readonly exited: Promise<unknown>;
  /** How long to wait for more after that, in milliseconds. */
  readonly drain: number;
  /** Says that nobody waits for the rest. */
  readonly giveUp: () => void;
}

/** For those who read a child's output on its caller's behalf. */
export let drainOf: (child: Child) => Drain;

/**
 * A running program, made by `spawn()`.
 *
 * @example
 * ```ts
 * import { Command } from "@vircommand/vircommand";
 *
 * await using child = await new Command("cat").stdin("pipe").stdout("pipe").spawn();
 * const writer = child.stdin.getWriter();
 * await writer.write("hello");
 * await writer.close();
 * console.log(await new Response(child.stdout).text()); // hello
 * ```
 */
export class Child implements AsyncDisposable {
  readonly #started: Started;
  readonly #process: Process;
  readonly #feeding: Feeding[] = [];
  readonly #gathering: { stdout?: Gathering; stderr?: Gathering } = {};
  readonly #exited: Promise<Exit>;
  #stdin: WritableStream<Chunk> | undefined;
  #stdout: Outlet | undefined;
  #stderr: Outlet | undefined;
  #state: State = "running";
  #openStreams = 0;
  #verdict: Verdict | undefined;
  #stopEscalation: () => void = NOTHING_TO_STOP;
  /** When SIGKILL is due, and when the program has ended, as `performance.now()` counts. */
  #killAt = Infinity;
  #endedAt = Infinity;
  #finished: Promise<Result> | undefined;
  #waited = false;
  #released: Promise<void> | undefined;
  #failure: unknown;
  /** Whether who read the output has given it up before its end. */
  #gaveUp = false;

  static {
    drainOf = (child) => ({
      exited: child.#exited,
      drain: child.#started.options.drain,
      giveUp: () => {
        child.#gaveUp = true;
      },
    });
  }

  /** Takes a started process over. Children are made by `Command.spawn()`. */
  constructor(started: Started) {
    this.#started = started;
    this.#process = started.process;
    this.#verdict = started.verdict;
    if (this.#process.release !== undefined) this.#state = "handshaking";
    this.#connect();
    const { options } = started;
    const stopWatching = this.#watch(options, options.timeout, options.signal);
    const ended = (exit: Exit) => {
      this.#endedAt = performance.now();
      if (this.#state !== "failed") this.#step("exit");
      stopWatching();
      this.#stopEscalation();
      // A daemon goes on reading its buffers when the process that was our child is gone.
      if (this.#process.daemonPid === undefined) this.#stopFeeding();
      this.#closeIfEnded();
      return exit;
    };
    this.#exited = this.#process.exited.then(ended, (error) => {
      // Who waits is told.
      this.#failure ??= error;
      return ended(UNKNOWN_EXIT);
    });
  }

  /** The process id. After the child's end it may belong to another process. */
  get pid(): number {
    return this.#process.pid;
  }

  /** Where the child is in its life: `running`, `exited`, `closed`, … */
  get state(): State {
    return this.#state;
  }

  /** What goes into the program, with `stdin("pipe")`; else a StateError. */
  get stdin(): WritableStream<Chunk> {
    return this.#stdin ?? notPiped("stdin");
  }

  /** What comes out of the program, with `stdout("pipe")`; else a StateError. */
  get stdout(): ReadableStream<Uint8Array> {
    return this.#stdout?.stream ?? notPiped("stdout");
  }

  /** What the program complains about, with `stderr("pipe")`; else a StateError. */
  get stderr(): ReadableStream<Uint8Array> {
    return this.#stderr?.stream ?? notPiped("stderr");
  }

  /**
   * Sends a signal to the program, and never to another process that has got its pid: there is
   * none before the program was reaped, and afterwards nothing is sent.
   *
   * @returns Whether the child was there to get it; false after its end.
   */
  kill(signal: SignalName | number = "SIGTERM"): boolean {
    const number = signalNumber(signal);
    if (number === undefined) throw new UsageError(`kill(${shownValue(signal)}): no signal`);
    return this.#process.kill(number);
  }

  /**
   * Resolves when the child has done everything but exec and waits. From here to
   * `handshakeNotify()` the pid is valid and the program has not started.
   *
   * @throws {StateError} There is no `handshake()`, or this was called before.
   * @throws {HandshakeError} The child has ended.
   */
  // deno-lint-ignore require-await -- a state error must reject, not throw
  async handshakeWait(): Promise<void> {
    this.#requireHandshake("handshakeWait");
    if (this.#waited) throw new StateError("handshakeWait: it was called before");
    this.#waited = true;
    if (this.#isOver()) throw new HandshakeError(`the child has ended: ${this.#command}`);
  }

  /**
   * Lets the child go: it executes the program. Resolves when the program runs.
   *
   * @throws {StateError} There is no `handshake()`, or this was called before.
   * @throws {HandshakeError} The child has ended.
   * @throws {SpawnError} The program could not be executed; `wait()` throws the same.
   */
  handshakeNotify(): Promise<void> {
    const released = this.#release();
    // Who does not wait here learns of a failure from wait().
    released.catch(() => {});
    return released;
  }

  async #release(): Promise<void> {
    const release = this.#requireHandshake("handshakeNotify");
    if (this.#released !== undefined) throw new StateError("handshakeNotify: it was called before");
    this.#released = release();
    try {
      await this.#released;
    } catch (error) {
      if (!this.#isOver()) this.#step("fail");
      this.#failure = error;
      throw error;
    }
    if (!this.#isOver()) this.#step("exec");
  }

  #requireHandshake(call: string): () => Promise<void> {
    const { release } = this.#process;
    if (release !== undefined) return release;
    throw new StateError(`${call}: the command has no handshake()`);
  }

  get #command(): string {
    return this.#started.plan.command;
  }

  /**
   * Waits for the program's end, and for the end of what is captured from it. Called again, it
   * gives the same result. Options that were given to `spawn()` hold here as well; `maxBuffer`, and
   * how a time limit given there ends the program, are settled there.
   *
   * @throws {ExitError} It ended badly, and `check` is not false.
   * @throws {TimeoutError} It was killed because its time was up.
   * @throws {AbortError} It was killed because the AbortSignal fired.
   * @throws {MaxBufferError} It was killed because it wrote more than `maxBuffer` bytes.
   * @throws {StateError} Another part of this process has reaped the program.
   */
  async wait(options?: RunOptions): Promise<Result> {
    const { options: given } = this.#started;
    const checked = options === undefined ? given : checkOptions(options, given);
    // What spawn() was told is watched since then; only what is new here is watched from here.
    const stopWatching = this.#watch(checked, options?.timeout, options?.signal);
    try {
      this.#finished ??= this.#finish(checked.drain);
      const result = await this.#finished;
      if (this.#failure !== undefined) throw this.#failure;
      this.#throwStreamError();
      const { spec, plan } = this.#started;
      return judge(result, checked, { spec, plan, verdict: this.#verdict });
    } finally {
      stopWatching();
    }
  }

  /**
   * Ends the child: SIGTERM, then SIGKILL if it is still there after `grace` milliseconds (default
   * 2000). When this resolves, the child was reaped. It does nothing to a child that has ended.
   */
  async abort(options: { readonly grace?: number } = {}): Promise<void> {
    const { grace } = checkOptions(options, this.#started.options);
    this.#end(15, grace);
    await this.#exited;
  }

  /** Lets the child keep the event loop alive again, after `unref()`. */
  ref(): void {
    this.#hold(true);
  }

  /** Lets the runtime exit although the child is still running. */
  unref(): void {
    this.#hold(false);
  }

  /** Ends the child as `abort()` does, and closes its streams. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.abort();
    this.#stopFeeding();
    const outputs = [this.#gathering.stdout, this.#gathering.stderr, this.#stdout, this.#stderr];
    for (const each of outputs) each?.stop();
    this.#process.stdin?.close();
    this.#openStreams = 0;
    this.#closeIfEnded();
  }

  #hold(held: boolean): void {
    const { stdin, stdout, stderr, buffers } = this.#process;
    for (const each of [this.#process, stdin, stdout, stderr, ...buffers]) each?.hold(held);
  }

  #stopFeeding(): void {
    for (const each of this.#feeding) each.stop();
  }

  #connect(): void {
    const { spec, outputs } = this.#started;
    const writers = writersOf(sinksOf(outputs));
    try {
      this.#feed();
    } catch (error) {
      for (const { writer } of writers.values()) writer.releaseLock();
      throw error;
    }
    spec.buffers.forEach(({ bytes }, index) => {
      const sink = this.#process.buffers[index];
      if (sink !== undefined) this.#feeding.push(feedBytes(sink, bytes));
    });
    this.#stdout = this.#output("stdout", outputs.stdout, writers);
    this.#stderr = this.#output("stderr", outputs.stderr, writers);
  }

  /** Throws what the source of the input throws when it is asked for its pieces. */
  #feed(): void {
    const { spec, options } = this.#started;
    const { stdin } = this.#process;
    if (stdin !== undefined) {
      const form = spec.stdin ?? { kind: "null" };
      if (form.kind === "pipe") this.#stdin = writableTo(stdin);
      if (form.kind === "bytes") this.#feeding.push(feedBytes(stdin, form.bytes));
      if (form.kind === "stream") {
        const failed = () => this.#condemn({ why: "input" }, options);
        this.#feeding.push(feedStream(stdin, form.source, failed));
      }
    }
  }

  #output(
    stream: "stdout" | "stderr",
    form: OutputForm,
    writers: ReadonlyMap<WritableStream<Uint8Array>, SharedWriter>,
  ): Outlet | undefined {
    const source = this.#process[stream];
    if (source === undefined) return undefined;
    this.#openStreams++;
    const ended = () => {
      this.#openStreams--;
      this.#closeIfEnded();
    };
    if (form.kind === "pipe") return readableFrom(source, ended);
    const shared = form.kind === "stream" ? writers.get(form.sink) : undefined;
    const { options } = this.#started;
    const gathering = shared !== undefined ? pour(source, shared) : capture(
      source,
      options.maxBuffer,
      () => this.#condemn({ why: "overflow", stream, limit: options.maxBuffer }, options),
    );
    gathering.done.then(ended);
    this.#gathering[stream] = gathering;
    return undefined;
  }

  /** Kills the child when its time is up or the signal fires. Returns what stops the watch. */
  #watch(
    options: CheckedOptions,
    timeout: number | undefined,
    signal: AbortSignal | undefined,
  ): () => void {
    if (timeout === undefined && signal === undefined) return NOTHING_TO_STOP;
    const abort = () => this.#condemn({ why: "abort", reason: signal?.reason }, options);
    if (signal?.aborted === true) abort();
    signal?.addEventListener("abort", abort);
    const stopTimer = timeout === undefined
      ? NOTHING_TO_STOP
      : after(timeout, () => this.#condemn({ why: "timeout", timeout }, options), UNHELD);
    return () => {
      signal?.removeEventListener("abort", abort);
      stopTimer();
    };
  }

  /** The first reason to kill the child is the one that counts. */
  #condemn(verdict: Verdict, options: CheckedOptions): void {
    // Too much output is too much also when it is read, or comes, after the program's end.
    if (this.#isBeyondReach() && verdict.why !== "overflow") return;
    this.#verdict ??= verdict;
    this.#end(options.killSignal, options.grace);
  }

  #end(signal: number, grace: number): void {
    if (!this.#process.kill(signal)) return;
    // Who asks again and again must not put off what was due.
    const killAt = performance.now() + grace;
    if (killAt >= this.#killAt) return;
    this.#killAt = killAt;
    this.#stopEscalation();
    this.#stopEscalation = after(grace, () => this.#process.kill(SIGKILL), UNHELD);
  }

  async #finish(drain: number): Promise<Result> {
    const { spec, plan, since } = this.#started;
    // Said while the program runs: nobody waits for it then.
    const [command, argv] = [plan.command, shownArgv(spec)];
    const exit = await this.#exited;
    if (this.#released !== undefined) await this.#released.catch(() => {});
    const { stdout, stderr } = this.#gathering;
    const gathered = [stdout, stderr].filter((each) => each !== undefined);
    const drained = (gathered.length === 0 || await endOf(gathered, drain, this.#endedAt)) &&
      !this.#gaveUp;
    if (this.#process.daemonPid === undefined) {
      for (const each of this.#feeding) await each.done;
    }
    return new Result({
      command,
      argv,
      pid: this.pid,
      status: decodeStatus(exit.raw),
      usage: exit.usage,
      stdoutBytes: stdout?.bytes() ?? NOTHING,
      stderrBytes: stderr?.bytes() ?? NOTHING,
      durationMs: performance.now() - since,
      timedOut: this.#verdict?.why === "timeout",
      drained,
      daemonPid: this.#process.daemonPid,
    });
  }

  /** What an iterable or a stream of the caller threw comes before any judgement. */
  #throwStreamError(): void {
    const { stdout, stderr } = this.#gathering;
    for (const { error } of this.#feeding) if (error !== undefined) throw error;
    const error = stdout?.error ?? stderr?.error;
    if (error !== undefined) throw error;
  }

  /** Whether it has ended, or runs as a daemon: its starter's limits are not meant for that. */
  #isBeyondReach(): boolean {
    const { daemonPid } = this.#process;
    return this.#isOver() || (daemonPid !== undefined && this.#state === "running");
  }

  #isOver(): boolean {
    return this.#state === "exited" || this.#state === "closed" || this.#state === "failed";
  }

  #closeIfEnded(): void {
    if (this.#state === "exited" && this.#openStreams === 0) this.#step("close");
  }

  #step(event: Event): void {
    this.#state = transition(this.#state, event);
  }
}

/** The streams of the caller that outputs go to. */
export function sinksOf(outputs: Started["outputs"]): WritableStream<Uint8Array>[] {
  const { stdout, stderr } = outputs;
  if (stdout.kind !== "stream" && stderr.kind !== "stream") return NO_SINKS;
  return [stdout, stderr].flatMap((form) => form.kind === "stream" ? [form.sink] : []);
}

const NO_SINKS: WritableStream<Uint8Array>[] = [];

/** Ends a process that no child was made of, and lets go of everything that belongs to it. */
export async function abandon(started: Process): Promise<void> {
  const { stdin, stdout, stderr, buffers, exited } = started;
  started.kill(SIGKILL);
  for (const each of [stdin, stdout, stderr, ...buffers]) each?.close();
  // Whoever has reaped it instead, it is gone.
  await exited.catch(() => {});
}

const SIGKILL = 9;

const NOTHING = new Uint8Array(0);

/** Of a child that somebody else has reaped; never shown. */
const UNKNOWN_EXIT: Exit = { raw: 0, usage: { userMs: NaN, systemMs: NaN, maxRssBytes: NaN } };

const NOTHING_TO_STOP = () => {};

/** The child itself keeps the event loop alive, if anything is to. */
const UNHELD = { held: false };

function notPiped(stream: string): never {
  throw new StateError(`${stream} is no pipe: say ${stream}("pipe") before spawn()`);
}
