/**
 * A child that was started: its signals, its streams, its handshake, its end and its result.
 *
 * @module
 */

import { performance } from "../clock.ts";
import type { Exit, Process, Refable } from "../backend.ts";
import type { Flow } from "./drain.ts";
import { displayValue } from "../command/builder.ts";
import { type CommandError, HandshakeError, KillError, StateError, UsageError } from "../errors.ts";
import { checkResult, exitFields, type KillReason } from "./check_result.ts";
import type { Claims } from "./claims.ts";
import { Ending } from "./ending.ts";
import { Inputs } from "./inputs.ts";
import { type Event, type State, transition } from "./lifecycle.ts";
import { type CheckedOptions, checkOptions, type RunOptions } from "../command/options.ts";
import { Outputs } from "./outputs.ts";
import { guarded, own } from "../own.ts";
import { displayArgv, type MaskedCommand } from "../plan/plan.ts";
import { Result, UNKNOWN_USAGE } from "../result/result.ts";
import { type SignalName, signalNumber } from "../tables/signals.ts";
import type { Spec } from "../command/spec.ts";
import { STILL_RUNNING } from "../result/status.ts";
import type { Chunk, OutputForm } from "../command/stdio.ts";
import { SIGKILL, SIGTERM } from "../timing.ts";
import { type Limits, watch } from "./watch.ts";

/** A started process, and how to run it. */
export interface Started {
  readonly spec: Spec;
  readonly plan: MaskedCommand;
  readonly process: Process;
  readonly options: CheckedOptions;
  readonly outputs: { readonly stdout: OutputForm; readonly stderr: OutputForm };
  /** The streams of the caller that the run uses. */
  readonly claims: Claims;
  /** Why it was killed before its program ran, if it was. */
  readonly killReason: KillReason | undefined;
  /** When the start began, as `performance.now()` counts. */
  readonly since: number;
}

/** What is needed to read a child's standard output piece by piece. */
export interface Reading {
  /** Resolves when the program has ended. */
  readonly exited: Promise<unknown>;
  /** Calls back when reading must end: after a time limit, a signal, a failed kill. */
  readonly onCut: (cut: () => void) => void;
  /** Waits for the output's end once the program has ended; reports whether it came. */
  readonly drain: (flow: Flow) => Promise<boolean>;
  /** Ends the program: a piece was longer than `maxBuffer`. */
  readonly overflow: (piece: string) => void;
  /** The most bytes of a piece. */
  readonly limit: number;
}

/** Begins to read a child's standard output piece by piece. */
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
  readonly #inputs: Inputs;
  readonly #outputs: Outputs;
  readonly #ending: Ending;
  readonly #exited: Promise<Exit>;
  /** Ends the watch over the time limit and the signal that `spawn()` was given. */
  readonly #stopWatching: () => void;
  #state: State = "running";
  #killReason: KillReason | undefined;
  /** Why the program cannot be ended, although it should be. */
  #refusal: CommandError | undefined;
  /** Called when the program cannot be ended, to end the waits for it. */
  readonly #refusalListeners: (() => void)[] = [];
  /** Whether it was unref'ed because it cannot be ended. */
  #isDetached = false;
  #handshakeAwaited = false;
  #released: Promise<void> | undefined;
  #finished: Promise<Result> | undefined;
  /** What the failed exec after a handshake, or a failed wait for the process, threw. */
  #failure: unknown;

  static {
    readingOf = (child) => child.#reading();
  }

  /** Takes over a started process. Children are made by `Command.spawn()`. */
  constructor(started: Started) {
    this.#started = started;
    const process = this.#process = guarded(started.process);
    const { options } = started;
    if (process.release !== undefined) this.#state = "handshaking";
    this.#ending = new Ending((signal) => this.#send(signal), () => this.#command);
    this.#inputs = new Inputs(process, started, () => this.#killFor({ why: "input" }, options));
    this.#outputs = new Outputs(process, started, {
      overflow: (stream) => this.#killForOverflow(stream),
      changed: () => this.#closeIfEnded(),
    });
    if (started.killReason !== undefined) this.#setKillReason(started.killReason);
    // The time limit counts from the start, which may have taken a while.
    const elapsed = performance.now() - started.since;
    this.#stopWatching = this.#watch(options, options, elapsed);
    this.#exited = process.exited.then((exit) => this.#exit(exit), (error) => {
      // wait() throws it.
      this.#failure ??= error;
      return this.#exit(UNKNOWN_EXIT);
    });
  }

  #exit(exit: Exit): Exit {
    this.#outputs.programEnded();
    if (this.#state !== "failed") this.#step("exit");
    this.#ending.done();
    // A daemon reads its buffers after the process that was our child has ended.
    if (this.#process.daemonPid === undefined) this.#inputs.stop();
    this.#closeIfEnded();
    if (this.#outputs.isOpen) this.#outputs.drainStreams();
    return exit;
  }

  /** The process id. After the child's end, another process may have it. */
  get pid(): number {
    return this.#process.pid;
  }

  /** The state of the child: `running`, `exited`, `closed`, … */
  get state(): State {
    return this.#state;
  }

  /** The program's standard input, with `stdin("pipe")`; otherwise a StateError. */
  get stdin(): WritableStream<Chunk> {
    return this.#inputs.stdin ?? notPiped("stdin");
  }

  /** What the program writes to standard output, with `stdout("pipe")`; otherwise a StateError. */
  get stdout(): ReadableStream<Uint8Array> {
    return this.#outputs.stdout?.stream ?? notPiped("stdout");
  }

  /** What the program writes to standard error, with `stderr("pipe")`; otherwise a StateError. */
  get stderr(): ReadableStream<Uint8Array> {
    return this.#outputs.stderr?.stream ?? notPiped("stderr");
  }

  /**
   * Sends a signal to the program, and never to another process with the same pid: there is none
   * before the program is reaped, and nothing is sent afterwards.
   *
   * @returns Whether the signal was sent; false after the program's end.
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
   * Resolves when the child waits before exec. From here to `handshakeNotify()` the pid is valid and
   * the program has not started.
   *
   * @throws {StateError} There is no `handshake()`, or this was called before.
   * @throws {HandshakeError} The child has ended.
   */
  // deno-lint-ignore require-await -- a state error must reject, not throw
  async handshakeWait(): Promise<void> {
    this.#requireHandshake("handshakeWait");
    if (this.#handshakeAwaited) throw new StateError("handshakeWait: it was called before");
    this.#handshakeAwaited = true;
    if (this.#isOver()) throw new HandshakeError(`the child has ended: ${this.#command}`);
  }

  /**
   * Lets the child execute the program. Resolves when the program runs.
   *
   * @throws {StateError} There is no `handshake()`, or this was called before.
   * @throws {HandshakeError} The child has ended.
   * @throws {SpawnError} The program could not be executed; `wait()` throws the same.
   */
  handshakeNotify(): Promise<void> {
    const released = this.#release();
    // A caller that does not wait here gets the failure from wait().
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
   * gives the same result. The options of `spawn()` are the defaults of these. `maxBuffer`, and how
   * the time limit of `spawn()` ends the program, cannot be changed here.
   *
   * A program that should end and cannot be ended (this process may not send it signals) is not
   * waited for: the errors below have a KillError as their cause. It is reaped when it ends.
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
    // The limits of spawn() are watched since then; only new ones are watched from here.
    const timeout = asked?.timeout === undefined ? undefined : checked.timeout;
    const stopWatching = this.#watch({ timeout, signal: asked?.signal }, checked);
    if (this.#isDetached && this.#refusal === undefined && !this.#isOver()) this.ref();
    try {
      this.#finished ??= this.#finish(checked.drain);
      const result = await this.#finished;
      const refusal = result.status === STILL_RUNNING ? this.#refusal : undefined;
      // The next call may find that it has ended.
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
   * @throws {KillError} The system does not let this process send it signals. The child runs on, no
   * longer keeps the event loop alive, and is reaped when it ends.
   */
  async abort(options: { readonly grace?: number } = {}): Promise<void> {
    const { grace } = checkOptions(options, this.#started.options);
    const refusal = await new Promise<CommandError | undefined>((resolve, reject) => {
      this.#exited.then(() => resolve(undefined), reject);
      this.#ending.begin(SIGTERM, grace, resolve);
    });
    if (refusal === undefined) return;
    this.#detach();
    throw refusal;
  }

  /** Makes the child keep the event loop alive again, after `unref()`. */
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
      this.#inputs.stop();
      this.#outputs.close();
      this.#closeIfEnded();
    }
  }

  /** Stops waiting for a child that cannot be ended. */
  #detach(): void {
    this.#isDetached = true;
    this.unref();
  }

  /** The process and the pipes to it. */
  #refables(): Refable[] {
    const { stdin, stdout, stderr, buffers } = this.#process;
    return [this.#process, stdin, stdout, stderr, ...buffers].filter((each) => each !== undefined);
  }

  #watch(limits: Limits, options: CheckedOptions, elapsed: number = 0): () => void {
    // The child itself keeps the event loop alive, if anything does.
    return watch(limits, (reason) => this.#killFor(reason, options), { ref: false, elapsed });
  }

  /** Kills the child. The first reason counts. */
  #killFor(killReason: KillReason, options: CheckedOptions): void {
    if (!this.#isBeyondReach()) {
      this.#setKillReason(killReason);
      this.#ending.begin(options.killSignal, options.grace, (error) => this.#refuse(error));
      return;
    }
    // The program has ended. The limits of the run still bound its outputs, and too much output is
    // an error also if it is read after the program's end.
    if (killReason.why === "overflow") return this.#setKillReason(killReason);
    if (!this.#outputs.isAwaited) return;
    this.#setKillReason(killReason);
    this.#outputs.cut();
  }

  #killForOverflow(stream: string): void {
    const { options } = this.#started;
    this.#killFor({ why: "overflow", stream, limit: options.maxBuffer }, options);
  }

  #setKillReason(reason: KillReason): void {
    this.#killReason ??= reason;
    this.#outputs.hurry();
  }

  /** The program cannot be killed: ends every wait for it. */
  #refuse(error: CommandError): void {
    this.#refusal = error;
    this.#detach();
    this.#inputs.stop();
    this.#outputs.stop();
    for (const listener of this.#refusalListeners.splice(0)) listener();
  }

  #reading(): Reading {
    return {
      exited: this.#exited,
      onCut: (cut) => this.#outputs.onCut(cut),
      limit: this.#started.options.maxBuffer,
      overflow: (piece) => this.#killForOverflow(piece),
      drain: this.#outputs.beginReading(),
    };
  }

  /** Resolves when the program has ended; with undefined if it cannot be ended. */
  #exitOrRefusal(): Promise<Exit | undefined> {
    if (this.#refusal !== undefined && !this.#isOver()) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      this.#exited.then(resolve, reject);
      this.#refusalListeners.push(() => resolve(undefined));
    });
  }

  async #finish(drain: number): Promise<Result> {
    const { spec, plan, since } = this.#started;
    // Formatted while the program runs, when nobody waits for it.
    const [command, argv] = [plan.command, displayArgv(spec)];
    const exit = await this.#exitOrRefusal();
    if (this.#released !== undefined && exit !== undefined) await this.#released.catch(() => {});
    const drained = exit !== undefined && await this.#outputs.drain(drain);
    if (this.#process.daemonPid === undefined && exit !== undefined) await this.#inputs.done();
    return new Result({
      command,
      argv,
      pid: this.pid,
      ...exitFields(exit),
      stdoutBytes: this.#outputs.bytes("stdout"),
      stderrBytes: this.#outputs.bytes("stderr"),
      durationMs: performance.now() - since,
      timedOut: this.#killReason?.why === "timeout",
      drained,
      daemonPid: this.#process.daemonPid,
    });
  }

  /** Throws what a stream or an iterable of the caller threw. It comes before the exit status. */
  #throwStreamError(refusal: CommandError | undefined): void {
    const error = this.#inputs.error ?? this.#outputs.error;
    if (error === undefined) return;
    if (!(refusal instanceof KillError)) throw error;
    // That the program still runs is worse, and explains the error of its streams.
    const { pid, errno, command } = refusal;
    throw new KillError({ pid, signal: SIGKILL, errno, command, cause: error });
  }

  /** Whether it has ended, or runs as a daemon, which the limits of its starter do not end. */
  #isBeyondReach(): boolean {
    const { daemonPid } = this.#process;
    return this.#isOver() || (daemonPid !== undefined && this.#state === "running");
  }

  #isOver(): boolean {
    return this.#state === "exited" || this.#state === "closed" || this.#state === "failed";
  }

  #closeIfEnded(): void {
    if (this.#isOver() && !this.#outputs.isAwaited) this.#stopWatching();
    if (this.#state === "exited" && !this.#outputs.isOpen) this.#step("close");
  }

  #step(event: Event): void {
    this.#state = transition(this.#state, event);
  }
}

/** Kills a process for which no Child could be made, and closes its pipes. */
export async function killAndClose(started: Process): Promise<void> {
  const { stdin, stdout, stderr, buffers, exited } = own(started);
  for (const each of [stdin, stdout, stderr, ...buffers]) each?.close();
  try {
    started.kill(SIGKILL);
  } catch (error) {
    started.unref();
    throw error;
  }
  // If another part of this process has reaped it, it is gone as well.
  await exited.catch(() => {});
}

/** The exit of a child that another part of this process has reaped. Never shown. */
const UNKNOWN_EXIT: Exit = { raw: 0, usage: UNKNOWN_USAGE };

function notPiped(stream: string): never {
  throw new StateError(`${stream} is no pipe: say ${stream}("pipe") before spawn()`);
}
