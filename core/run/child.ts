/**
 * A child that was started: its streams, its signals, its end. The one place where a process, what
 * is fed to it, what is gathered from it, its time limit and its judgement come together.
 *
 * @module
 */

import type { Exit, Process, Refable } from "../backend.ts";
import { endOf, type Flow } from "./drain.ts";
import { displayValue } from "../command/builder.ts";
import { CommandError, HandshakeError, KillError, StateError, UsageError } from "../errors.ts";
import { checkResult, type KillReason } from "./check_result.ts";
import { type Event, type State, transition } from "./lifecycle.ts";
import {
  after,
  type CheckedOptions,
  checkOptions,
  limitOf,
  type RunOptions,
} from "../command/options.ts";
import { guarded, own } from "../own.ts";
import { displayArgv, type MaskedCommand } from "../plan/plan.ts";
import { Result, UNKNOWN_USAGE } from "../result/result.ts";
import { type SignalName, signalNumber } from "../tables/signals.ts";
import type { Spec } from "../command/spec.ts";
import { decodeStatus, STILL_RUNNING } from "../result/status.ts";
import type { Chunk, OutputForm } from "../command/stdio.ts";
import {
  capture,
  type Claims,
  type InputPump,
  type OutputSink,
  type OutputStream,
  pumpBytes,
  pumpStream,
  pumpTo,
  readableFrom,
  writableTo,
} from "./streams.ts";
import { Escalation, hurriedDrain, SIGKILL, SIGTERM } from "../timing.ts";

/** What a child is made from. */
export interface Started {
  readonly spec: Spec;
  readonly plan: MaskedCommand;
  readonly process: Process;
  readonly options: CheckedOptions;
  readonly outputs: { readonly stdout: OutputForm; readonly stderr: OutputForm };
  /** What was taken of the caller's streams. */
  readonly claims: Claims;
  /** Why it was killed before it came to its program, if it was. */
  readonly killReason: KillReason | undefined;
  /** When the start was begun, as `performance.now()` counts. */
  readonly since: number;
}

/** For those who read a child's output on its caller's behalf, piece by piece. */
export interface Reading {
  /** Resolves when the program has ended. */
  readonly exited: Promise<unknown>;
  /** Calls back when nothing more is to be read: a limit, a signal, an end that failed. */
  readonly onCut: (cut: () => void) => void;
  /** Waits for the output's end once the program has ended; false if it was given up. */
  readonly drain: (flow: Flow) => Promise<boolean>;
  /** Ends the program: a piece was longer than `maxBuffer`. */
  readonly overflow: (piece: string) => void;
  /** The most bytes of a piece. */
  readonly limit: number;
}

/** Takes part in the reading of a child's standard output. */
export let readingOf: (child: Child) => Reading;

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
  readonly #input: InputPump[] = [];
  readonly #outputs: { stdout?: OutputSink; stderr?: OutputSink } = own({});
  readonly #exited: Promise<Exit>;
  #stdin: WritableStream<Chunk> | undefined;
  #stdout: OutputStream | undefined;
  #stderr: OutputStream | undefined;
  #state: State = "running";
  #openStreams = 0;
  /** How many outputs are on their way to a caller who waits for all of them. */
  #unsettled = 0;
  #killReason: KillReason | undefined;
  readonly #escalation = new Escalation();
  #stopEscalation: () => void = NOTHING_TO_STOP;
  /** Who is to be told that the program cannot be ended. */
  #refused: readonly ((error: CommandError) => void)[] = NO_ONE;
  /** Why it cannot be ended, although its time is up. */
  #refusal: CommandError | undefined;
  /** Who waits for the end and is not to wait any longer then. */
  readonly #givenUp: (() => void)[] = [];
  /** Whether it was left to itself because it cannot be ended. */
  #isLetGo = false;
  /** Who waits for outputs that may be cut short. */
  #cuts: readonly (() => void)[] = NO_ONE;
  #isCut = false;
  /** When the program has ended, as `performance.now()` counts. */
  #endedAt = Infinity;
  /** Ends the watch over time limit and signal that were given to `spawn()`. */
  #stopWatching: () => void = NOTHING_TO_STOP;
  #finished: Promise<Result> | undefined;
  #waited = false;
  #released: Promise<void> | undefined;
  #failure: unknown;
  /** Outputs that somebody reads who waits for their end himself. */
  readonly #isRead = new Set<OutputStream>();
  /** Whether who read the output has given it up before its end. */
  #gaveUp = false;

  static {
    readingOf = (child) => child.#reading();
  }

  /** Takes a started process over. Children are made by `Command.spawn()`. */
  constructor(started: Started) {
    this.#started = started;
    this.#process = guarded(started.process);
    this.#killReason = started.killReason;
    if (this.#process.release !== undefined) this.#state = "handshaking";
    this.#connect();
    const { options } = started;
    this.#stopWatching = this.#watch(options, options.timeout, options.signal);
    const ended = (exit: Exit) => {
      this.#endedAt = performance.now();
      if (this.#state !== "failed") this.#step("exit");
      this.#stopEscalation();
      this.#escalation.done();
      this.#refused = NO_ONE;
      if (this.#process.daemonPid === undefined) {
        this.#stopFeeding();
        // Nobody else closes a pipe that its caller has forgotten.
        if (this.#stdin !== undefined) this.#process.stdin?.close();
      }
      // A daemon goes on reading its buffers when the process that was our child is gone.
      this.#closeIfEnded();
      if (this.#openStreams > 0) this.#drainOutlets();
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
   * @throws {KillError} The system does not let this process send it.
   */
  kill(signal: SignalName | number = "SIGTERM"): boolean {
    const number = signalNumber(signal);
    if (number === undefined) throw new UsageError(`kill(${displayValue(signal)}): no signal`);
    return this.#send(number);
  }

  /** Sends a signal; a refusal names the command. */
  #send(signal: number): boolean {
    try {
      return this.#process.kill(signal);
    } catch (error) {
      if (!(error instanceof KillError)) throw error;
      const { pid, errno, cause } = error;
      throw new KillError({ pid, signal, errno, cause, command: this.#command });
    }
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
   * A program that cannot be ended when it should be (this process may not send it signals) is
   * not waited for: the errors below say so, with a KillError, and it is reaped whenever it ends.
   *
   * @throws {ExitError} It ended badly, and `check` is not false.
   * @throws {TimeoutError} It was killed because its time was up.
   * @throws {AbortError} It was killed because the AbortSignal fired.
   * @throws {MaxBufferError} It was killed because it wrote more than `maxBuffer` bytes.
   * @throws {StateError} Another part of this process has reaped the program.
   */
  async wait(options?: RunOptions): Promise<Result> {
    const { options: given } = this.#started;
    const asked = options === undefined ? undefined : own(options);
    const checked = asked === undefined ? given : checkOptions(asked, given);
    // What spawn() was told is watched since then; only what is new here is watched from here.
    const timeout = asked?.timeout === undefined ? undefined : checked.timeout;
    const stopWatching = this.#watch(checked, timeout, asked?.signal);
    if (this.#isLetGo && this.#refusal === undefined && !this.#isOver()) this.ref();
    try {
      this.#finished ??= this.#finish(checked.drain);
      const result = await this.#finished;
      const refusal = result.status === STILL_RUNNING ? this.#refusal : undefined;
      // The next one who waits may find that it has ended.
      if (refusal !== undefined) this.#finished = undefined;
      if (this.#failure !== undefined) throw this.#failure;
      this.#throwStreamError(refusal);
      const { spec, plan } = this.#started;
      return checkResult(result, checked, { spec, plan, killReason: this.#killReason, refusal });
    } finally {
      stopWatching();
    }
  }

  /**
   * Ends the child: SIGTERM, then SIGKILL if it is still there after `grace` milliseconds (default
   * 2000). When this resolves, the child was reaped. It does nothing to a child that has ended.
   *
   * @throws {KillError} The system does not let this process send it signals. The child lives on,
   * does not keep the event loop alive any more, and is reaped when it ends.
   */
  async abort(options: { readonly grace?: number } = {}): Promise<void> {
    const { grace } = checkOptions(options, this.#started.options);
    const refusal = await new Promise<CommandError | undefined>((resolve, reject) => {
      this.#exited.then(() => resolve(undefined), reject);
      this.#end(SIGTERM, grace, resolve);
    });
    if (refusal === undefined) return;
    this.#letGo();
    throw refusal;
  }

  /** Lets the child keep the event loop alive again, after `unref()`. */
  ref(): void {
    for (const each of this.#refables()) each.ref();
  }

  /** Lets the runtime exit although the child is still running. */
  unref(): void {
    for (const each of this.#refables()) each.unref();
  }

  /** Ends the child as `abort()` does, and closes its streams. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.abort();
    } finally {
      this.#closeStreams();
      this.#openStreams = 0;
      this.#closeIfEnded();
    }
  }

  /** Closes our ends of everything; nobody is waited for. */
  #closeStreams(): void {
    this.#stopFeeding();
    this.#cutOutputs();
    const { stdout, stderr } = this.#outputs;
    for (const each of [stdout, stderr]) each?.stop(true);
    for (const each of [this.#stdout, this.#stderr]) each?.stop();
    this.#process.stdin?.close();
  }

  /** Leaves a child to itself that cannot be ended. */
  #letGo(): void {
    this.#isLetGo = true;
    this.unref();
  }

  /** The process and the pipes to it. */
  #refables(): Refable[] {
    const { stdin, stdout, stderr, buffers } = this.#process;
    return [this.#process, stdin, stdout, stderr, ...buffers].filter((each) => each !== undefined);
  }

  #stopFeeding(): void {
    for (const each of this.#input) each.stop();
  }

  #connect(): void {
    const { spec, outputs } = this.#started;
    this.#feed();
    spec.buffers.forEach(({ bytes }, index) => {
      const sink = this.#process.buffers[index];
      if (sink !== undefined) this.#input.push(pumpBytes(sink, bytes));
    });
    this.#stdout = this.#output("stdout", outputs.stdout);
    this.#stderr = this.#output("stderr", outputs.stderr);
  }

  #feed(): void {
    const { spec, options, claims } = this.#started;
    const { stdin } = this.#process;
    if (stdin === undefined) return;
    if (spec.stdin?.kind === "pipe") this.#stdin = writableTo(stdin);
    if (spec.stdin?.kind === "bytes") this.#input.push(pumpBytes(stdin, spec.stdin.bytes));
    if (claims.input !== undefined) {
      const failed = () => this.#killFor({ why: "input" }, options);
      this.#input.push(pumpStream(stdin, claims.input, failed));
    }
  }

  #output(
    stream: "stdout" | "stderr",
    form: OutputForm,
  ): OutputStream | undefined {
    const source = this.#process[stream];
    if (source === undefined) return undefined;
    this.#openStreams++;
    const ended = () => {
      this.#openStreams--;
      this.#closeIfEnded();
    };
    if (form.kind === "pipe") return readableFrom(source, ended);
    const { options, claims } = this.#started;
    const shared = form.kind === "stream" ? claims.writers.get(form.sink) : undefined;
    const { maxBuffer: limit } = options;
    const gathering = shared !== undefined ? pumpTo(source, shared) : capture(
      source,
      limit,
      () => this.#killFor({ why: "overflow", stream, limit }, options),
    );
    this.#unsettled++;
    gathering.done.then(() => {
      this.#unsettled--;
      ended();
    });
    this.#outputs[stream] = gathering;
    return undefined;
  }

  /** Kills the child when its time is up or the signal fires. Returns what stops the watch. */
  #watch(
    options: CheckedOptions,
    asked: number | undefined,
    signal: AbortSignal | undefined,
  ): () => void {
    const timeout = limitOf(asked);
    if (timeout === undefined && signal === undefined) return NOTHING_TO_STOP;
    const abort = () => this.#killFor({ why: "abort", reason: signal?.reason }, options);
    if (signal?.aborted === true) abort();
    signal?.addEventListener("abort", abort);
    const stopTimer = timeout === undefined
      ? NOTHING_TO_STOP
      : after(timeout, () => this.#killFor({ why: "timeout", timeout }, options), UNREF);
    return () => {
      signal?.removeEventListener("abort", abort);
      stopTimer();
    };
  }

  /** The first reason to kill the child is the one that counts. */
  #killFor(killReason: KillReason, options: CheckedOptions): void {
    if (this.#isBeyondReach()) {
      // Too much output is too much also when it is read, or comes, after the program's end; and
      // what is still on its way then is bounded as the program was.
      if (killReason.why !== "overflow" && this.#unsettled === 0) return;
      this.#killReason ??= killReason;
      if (killReason.why !== "overflow") this.#cutOutputs();
      return;
    }
    this.#killReason ??= killReason;
    this.#end(options.killSignal, options.grace, (error) => {
      this.#refusal = error;
      this.#letGo();
      this.#closeStreams();
      for (const each of this.#givenUp.splice(0)) each();
    });
  }

  /** Sends a signal, and SIGKILL when `grace` is over. `refused` learns of it if neither can be sent. */
  #end(signal: number, grace: number, refused: (error: CommandError) => void): void {
    this.#refused = [...this.#refused, refused];
    try {
      if (!this.#send(signal)) return;
    } catch {
      // It has got nothing to react to, so that there is nothing to wait for.
      return this.#force();
    }
    if (!this.#escalation.ask(performance.now(), grace)) return;
    this.#stopEscalation();
    this.#stopEscalation = after(grace, () => this.#force(), UNREF);
  }

  #force(): void {
    this.#stopEscalation();
    this.#escalation.done();
    try {
      this.#send(SIGKILL);
    } catch (error) {
      const refused = this.#refused;
      this.#refused = NO_ONE;
      const reason = error instanceof CommandError
        ? error
        : new CommandError(`kill: ${String(error)}`, { cause: error, command: this.#command });
      for (const each of refused) each(reason);
    }
  }

  #onCut(cut: () => void): void {
    if (this.#isCut) cut();
    else this.#cuts = [...this.#cuts, cut];
  }

  #cutOutputs(): void {
    this.#isCut = true;
    for (const each of this.#cuts) each();
    this.#cuts = NO_ONE;
  }

  #reading(): Reading {
    const { options } = this.#started;
    const { maxBuffer: limit } = options;
    this.#unsettled++;
    if (this.#stdout !== undefined) this.#isRead.add(this.#stdout);
    return {
      exited: this.#exited,
      onCut: (cut) => this.#onCut(cut),
      limit,
      overflow: (piece) => this.#killFor({ why: "overflow", stream: piece, limit }, options),
      drain: async (flow) => {
        const drained = await this.#drain([flow], options.drain);
        this.#unsettled--;
        this.#stopWatchingIfSettled();
        if (!drained) this.#gaveUp = true;
        return drained;
      },
    };
  }

  #drain(flows: readonly Flow[], drain: number): Promise<boolean> {
    return endOf(flows, {
      drain: this.#killReason === undefined ? drain : hurriedDrain(drain),
      endedAt: this.#endedAt,
      hurried: () => this.#killReason !== undefined,
      onCut: (cut) => this.#onCut(cut),
      ref: true,
    });
  }

  /**
   * A caller who reads the program's output to its end must not wait for ever either. What he does
   * not read stays where it is; and it is his stream: no time limit takes it from him.
   */
  #drainOutlets(): void {
    const { drain } = this.#started.options;
    const manner = { drain, endedAt: this.#endedAt, hurried: () => false, onCut() {}, ref: false };
    for (const each of [this.#stdout, this.#stderr]) {
      if (each !== undefined && !this.#isRead.has(each)) void endOf([each], manner);
    }
  }

  /** Resolves when it has ended; undefined if it was to end, and cannot be ended. */
  #exitOrRefusal(): Promise<Exit | undefined> {
    if (this.#refusal !== undefined && !this.#isOver()) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      this.#exited.then(resolve, reject);
      this.#givenUp.push(() => resolve(undefined));
    });
  }

  async #finish(drain: number): Promise<Result> {
    const { spec, plan, since } = this.#started;
    // Said while the program runs: nobody waits for it then.
    const [command, argv] = [plan.command, displayArgv(spec)];
    const exit = await this.#exitOrRefusal();
    if (this.#released !== undefined && exit !== undefined) await this.#released.catch(() => {});
    const { stdout, stderr } = this.#outputs;
    const gathered = [stdout, stderr].filter((each) => each !== undefined);
    const drained = exit !== undefined &&
      (gathered.length === 0 || await this.#drain(gathered, drain)) && !this.#gaveUp;
    if (this.#process.daemonPid === undefined && exit !== undefined) {
      for (const each of this.#input) await each.done;
    }
    return new Result({
      command,
      argv,
      pid: this.pid,
      status: exit === undefined ? STILL_RUNNING : decodeStatus(exit.raw),
      usage: exit === undefined ? UNKNOWN_USAGE : exit.usage,
      stdoutBytes: stdout?.bytes() ?? NOTHING,
      stderrBytes: stderr?.bytes() ?? NOTHING,
      durationMs: performance.now() - since,
      timedOut: this.#killReason?.why === "timeout",
      drained,
      daemonPid: this.#process.daemonPid,
    });
  }

  /** What an iterable or a stream of the caller threw comes before any judgement. */
  #throwStreamError(refusal: CommandError | undefined): void {
    const { stdout, stderr } = this.#outputs;
    const input = this.#input.find(({ error }) => error !== undefined)?.error;
    const error = input ?? stdout?.error ?? stderr?.error;
    if (error === undefined) return;
    if (!(refusal instanceof KillError)) throw error;
    // That the program lives on is worse, and says the same of its streams.
    const { pid, errno, command } = refusal;
    throw new KillError({ pid, signal: SIGKILL, errno, command, cause: error });
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
    this.#stopWatchingIfSettled();
    if (this.#state === "exited" && this.#openStreams === 0) this.#step("close");
  }

  #stopWatchingIfSettled(): void {
    if (this.#isOver() && this.#unsettled === 0) this.#stopWatching();
  }

  #step(event: Event): void {
    this.#state = transition(this.#state, event);
  }
}

/** Ends a process that no child was made of, and lets go of everything that belongs to it. */
export async function killAndClose(started: Process): Promise<void> {
  const { stdin, stdout, stderr, buffers, exited } = own(started);
  for (const each of [stdin, stdout, stderr, ...buffers]) each?.close();
  try {
    started.kill(SIGKILL);
  } catch (error) {
    started.unref();
    throw error;
  }
  // Whoever has reaped it instead, it is gone.
  await exited.catch(() => {});
}

const NOTHING = new Uint8Array(0);

/** Of a child that somebody else has reaped; never shown. */
const UNKNOWN_EXIT: Exit = { raw: 0, usage: UNKNOWN_USAGE };

const NOTHING_TO_STOP = () => {};

const NO_ONE: readonly [] = [];

/** The child itself keeps the event loop alive, if anything is to. */
const UNREF = { ref: false };

function notPiped(stream: string): never {
  throw new StateError(`${stream} is no pipe: say ${stream}("pipe") before spawn()`);
}
