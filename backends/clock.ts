/**
 * The timers and the clock of the runtime, whatever a test has put in their place. Jest, Vitest,
 * `node:test`, Bun and Deno's FakeTime replace the global ones, and let time pass only when the test
 * says so: a time limit would never be over, and the end of a program never be noticed.
 *
 * They are taken when this module is loaded. If others are in their place by then, or if a runtime
 * replaces what its own functions do, as Bun does, `Atomics.waitAsync` serves instead: nobody
 * replaces that.
 *
 * @module
 */

import type { Clock, Timer } from "../core/clock.ts";

type Start = (action: () => void, ms: number) => unknown;
type Stop = (timer: unknown) => void;

/** What a runtime's timers consist of, as globals and in `node:timers`. */
interface Timers {
  readonly setTimeout: Start;
  readonly setInterval: Start;
  readonly clearTimeout: Stop;
  readonly clearInterval: Stop;
}

/** The parts of the globals that only some runtimes have. */
const { Deno, Bun, process } = globalThis as unknown as {
  readonly Deno?: { refTimer(timer: number): void; unrefTimer(timer: number): void };
  readonly Bun?: unknown;
  readonly process?: { getBuiltinModule?(name: string): unknown };
};

function builtIn<T>(name: string): T | undefined {
  return process?.getBuiltinModule?.(name) as T | undefined;
}

/** By this symbol, `promisify` finds out about Node's own. A replacement does not have it. */
const PROMISIFIED = Symbol.for("nodejs.util.promisify.custom");

/** Whether a replacement says that it is one: so do Sinon's, which Jest and Vitest use, and Bun's. */
function isMarked({ setTimeout }: Partial<Timers>): boolean {
  // A test may have removed it as well.
  return setTimeout === undefined || "clock" in setTimeout || setTimeout.name !== "setTimeout";
}

function areOwn(timers: Timers): boolean {
  return !isMarked(timers) &&
    (Deno !== undefined || Bun !== undefined || Object.hasOwn(timers.setTimeout, PROMISIFIED));
}

/** Copied: a test may replace the properties of either object later. */
function copyOf({ setTimeout, setInterval, clearTimeout, clearInterval }: Timers): Timers {
  return { setTimeout, setInterval, clearTimeout, clearInterval };
}

function ownTimers(): Timers | undefined {
  const globals = copyOf(globalThis as unknown as Timers);
  if (Bun !== undefined || areOwn(globals)) return globals;
  const module = builtIn<Timers>("node:timers");
  return module !== undefined && areOwn(module) ? copyOf(module) : undefined;
}

const timers = ownTimers();

/** Bun replaces what the functions do, and these are the same as before. */
const isReplaced: () => boolean = Bun === undefined
  ? () => timers === undefined
  : () => "clock" in (timers?.setTimeout ?? {});

function startTimer(ms: number, action: () => void, ref: boolean): Timer {
  if (timers === undefined || isReplaced()) return new WaitTimer(ms, action, { ref, again: false });
  const { setTimeout, clearTimeout } = timers;
  const timer = timerOf(setTimeout(action, ms), clearTimeout);
  if (!ref) timer.unref();
  return timer;
}

function startInterval(ms: number, action: () => void, ref: boolean): Timer {
  if (timers === undefined || isReplaced()) return new WaitTimer(ms, action, { ref, again: true });
  const { setInterval, clearInterval } = timers;
  const timer = timerOf(setInterval(action, ms), clearInterval);
  if (!ref) timer.unref();
  return timer;
}

/** On Deno a timer is a number. */
function timerOf(timer: unknown, clear: Stop): Timer {
  const stop = () => clear(timer);
  if (typeof timer === "number") {
    return { ref: () => Deno?.refTimer(timer), unref: () => Deno?.unrefTimer(timer), stop };
  }
  const own = timer as Pick<Timer, "ref" | "unref">;
  return { ref: () => void own.ref(), unref: () => void own.unref(), stop };
}

/** A wait with a limit, on memory that nobody else writes to. */
const { waitAsync } = Atomics as unknown as {
  waitAsync(cell: Int32Array, index: number, value: number, ms: number): {
    readonly value: Promise<unknown> | string;
  };
};

/** A timer by `Atomics.waitAsync`, which does not keep the event loop alive: a port does. */
class WaitTimer implements Timer {
  readonly #cell = new Int32Array(new SharedArrayBuffer(4));
  readonly #ms: number;
  readonly #action: () => void;
  readonly #again: boolean;
  #isOver = false;
  #isRef = false;

  constructor(ms: number, action: () => void, { ref, again }: { ref: boolean; again: boolean }) {
    this.#ms = Math.max(ms, 1);
    this.#action = action;
    this.#again = again;
    if (ref) this.ref();
    void this.#run();
  }

  ref(): void {
    if (this.#isRef || this.#isOver) return;
    this.#isRef = true;
    keepAlive(1);
  }

  unref(): void {
    if (!this.#isRef) return;
    this.#isRef = false;
    keepAlive(-1);
  }

  stop(): void {
    this.#isOver = true;
    this.unref();
    Atomics.notify(this.#cell, 0);
  }

  async #run(): Promise<void> {
    do {
      await waitAsync(this.#cell, 0, 0, this.#ms).value;
      if (this.#isOver) return;
      if (!this.#again) this.stop();
      this.#action();
    } while (this.#again);
  }
}

let port: (MessagePort & Partial<Pick<Timer, "ref" | "unref">>) | undefined;
let refs = 0;

/** Counts what keeps the event loop alive. */
function keepAlive(change: 1 | -1): void {
  refs += change;
  if (port === undefined) {
    port = new MessageChannel().port1;
    port.onmessage = () => {};
  }
  if (refs === 0) port.unref?.();
  else if (refs === 1 && change === 1) port.ref?.();
}

/** In Jest, the global is not the one of Node. */
const its = Deno === undefined && Bun === undefined
  ? builtIn<{ performance: Performance }>("node:perf_hooks")?.performance ?? globalThis.performance
  : globalThis.performance;
const ownNow = its.now.bind(its);

/** The system's clock, which has a precision of 10 ms, behind the runtime's own. */
const offset = ownNow() - uptime();

/** Milliseconds since the system was started, if it says so. */
function uptime(): number {
  if (Bun === undefined) return 0;
  try {
    const files = builtIn<{ readFileSync(path: string, encoding: string): string }>("node:fs");
    return parseFloat(files?.readFileSync("/proc/uptime", "utf8") ?? "0") * 1000;
  } catch {
    return 0; // not Linux: Bun has no other clock that stays its own
  }
}

/** The clock that mod.ts sets. */
export const realClock: Clock = {
  startTimer,
  startInterval,
  now: Bun === undefined ? ownNow : () => isReplaced() ? uptime() + offset : ownNow(),
};
