/**
 * Everything that a child writes to its parent: standard output and error, whether the caller reads
 * them, or they are captured, or they go to a stream of the caller.
 *
 * @module
 */

import { performance } from "../clock.ts";
import type { Process } from "../backend.ts";
import type { CheckedOptions } from "../command/options.ts";
import type { OutputForm } from "../command/stdio.ts";
import { own } from "../own.ts";
import { hurriedDrain } from "../timing.ts";
import type { Claims } from "./claims.ts";
import { endOf, type Flow } from "./drain.ts";
import { capture, type OutputSink, pumpTo } from "./sinks.ts";
import { type OutputStream, readableFrom } from "./web_streams.ts";

/** The names of the outputs. */
export type OutputName = "stdout" | "stderr";

/** Where the outputs of a child go. */
export interface OutputPlan {
  readonly outputs: Readonly<Record<OutputName, OutputForm>>;
  readonly options: CheckedOptions;
  readonly claims: Claims;
}

/** What a child does when something happens to its outputs. */
export interface OutputEvents {
  /** An output exceeded `maxBuffer`. */
  readonly overflow: (stream: OutputName) => void;
  /** An output has ended, or is no longer awaited. */
  readonly changed: () => void;
}

const NOTHING = new Uint8Array(0);

const NO_CUTS: readonly (() => void)[] = [];

/** The outputs of one child. */
export class Outputs {
  /** What the caller reads, with `stdout("pipe")`. */
  readonly stdout: OutputStream | undefined;
  /** What the caller reads, with `stderr("pipe")`. */
  readonly stderr: OutputStream | undefined;
  readonly #plan: OutputPlan;
  readonly #events: OutputEvents;
  readonly #sinks: Partial<Record<OutputName, OutputSink>> = own({});
  #open = 0;
  /** How many outputs a caller awaits. */
  #awaited = 0;
  /** The outputs that a {@linkcode Reading} drains. */
  readonly #read = new Set<OutputStream>();
  /** Whether a {@linkcode Reading} has ended before its output. */
  #isIncomplete = false;
  /** When the program ended, as `performance.now()` counts. */
  #endedAt = Infinity;
  #isHurried = false;
  #isCut = false;
  #cuts: readonly (() => void)[] = NO_CUTS;

  /** Starts to read. */
  constructor(child: Process, plan: OutputPlan, events: OutputEvents) {
    this.#plan = plan;
    this.#events = events;
    this.stdout = this.#connect(child, "stdout");
    this.stderr = this.#connect(child, "stderr");
  }

  #connect(child: Process, name: OutputName): OutputStream | undefined {
    const source = child[name];
    if (source === undefined) return undefined;
    this.#open++;
    const ended = () => {
      this.#open--;
      this.#events.changed();
    };
    const { outputs: { [name]: form }, options, claims } = this.#plan;
    if (form.kind === "pipe") return readableFrom(source, ended);
    const shared = form.kind === "stream" ? claims.writers.get(form.sink) : undefined;
    const overflow = () => this.#events.overflow(name);
    const sink = shared === undefined
      ? capture(source, options.maxBuffer, overflow)
      : pumpTo(source, shared);
    this.#awaited++;
    sink.done.then(() => {
      this.#awaited--;
      ended();
    });
    this.#sinks[name] = sink;
    return undefined;
  }

  /** Whether an output has not ended. */
  get isOpen(): boolean {
    return this.#open > 0;
  }

  /** Whether a caller awaits an output that has not ended. */
  get isAwaited(): boolean {
    return this.#awaited > 0;
  }

  /** What a stream of the caller threw, if one did. */
  get error(): unknown {
    return this.#sinks.stdout?.error ?? this.#sinks.stderr?.error;
  }

  /** What was captured of an output; empty if it is not captured. */
  bytes(name: OutputName): Uint8Array {
    return this.#sinks[name]?.bytes() ?? NOTHING;
  }

  /** The program is being killed: slow streams get no more time than `drain`. */
  hurry(): void {
    this.#isHurried = true;
  }

  /** The program has ended. */
  programEnded(): void {
    this.#endedAt = performance.now();
  }

  /** Waits for the end of what is captured or goes to a stream; reports whether it came. */
  async drain(drain: number): Promise<boolean> {
    const { stdout, stderr } = this.#sinks;
    const flows = [stdout, stderr].filter((each) => each !== undefined);
    const ended = flows.length === 0 || await this.#drain(flows, drain);
    return ended && !this.#isIncomplete;
  }

  /**
   * Ends the streams of the caller when a descendant of the program keeps them open. Data that the
   * caller has not read stays in the stream, and no time limit takes it away.
   */
  drainStreams(): void {
    const { drain } = this.#plan.options;
    const endedAt = this.#endedAt;
    const bounds = { drain, endedAt, hurried: () => false, onCut() {}, ref: false };
    for (const each of [this.stdout, this.stderr]) {
      if (each !== undefined && !this.#read.has(each)) void endOf([each], bounds);
    }
  }

  /** Registers a reader of standard output. Returns a function that waits for the output's end. */
  beginReading(): (flow: Flow) => Promise<boolean> {
    this.#awaited++;
    if (this.stdout !== undefined) this.#read.add(this.stdout);
    return async (flow) => {
      const ended = await this.#drain([flow], this.#plan.options.drain);
      this.#awaited--;
      this.#events.changed();
      if (!ended) this.#isIncomplete = true;
      return ended;
    };
  }

  /** Calls back when reading must end: after a time limit, a signal, a failed kill. */
  onCut(cut: () => void): void {
    if (this.#isCut) cut();
    else this.#cuts = [...this.#cuts, cut];
  }

  /** Ends every wait for outputs. */
  cut(): void {
    this.#isCut = true;
    for (const each of this.#cuts) each();
    this.#cuts = NO_CUTS;
  }

  /** Ends every wait, and closes the pipes. */
  stop(): void {
    this.cut();
    const { stdout, stderr } = this.#sinks;
    for (const each of [stdout, stderr]) each?.stop({ abandoned: true });
    for (const each of [this.stdout, this.stderr]) each?.stop();
  }

  /** As `stop()`, and counts all outputs as ended. */
  close(): void {
    this.stop();
    this.#open = 0;
  }

  #drain(flows: readonly Flow[], drain: number): Promise<boolean> {
    return endOf(flows, {
      drain: this.#isHurried ? hurriedDrain(drain) : drain,
      endedAt: this.#endedAt,
      hurried: () => this.#isHurried,
      onCut: (cut) => this.onCut(cut),
      ref: true,
    });
  }
}
