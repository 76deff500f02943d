/**
 * Timers and a clock. Time limits, and the wait for what a program has left, have to do with
 * programs, which do not live in the time that a test makes up: mod.ts sets timers that no test
 * replaces.
 *
 * @module
 */

/** A timer that was started. */
export interface Timer {
  /** Keeps the event loop alive, as timers do at first. */
  ref(): void;
  unref(): void;
  stop(): void;
}

/** What makes timers, and measures. */
export interface Clock {
  /**
   * Calls `action` after so many milliseconds, at most 2^31 - 1. If not `ref`, the event loop need
   * not stay alive for it.
   */
  startTimer(ms: number, action: () => void, ref: boolean): Timer;
  /** The same again and again. */
  startInterval(ms: number, action: () => void, ref: boolean): Timer;
  /** Milliseconds from any origin. */
  now(): number;
}

/** The globals. */
let clock: Clock = {
  startTimer(ms, action) {
    const timer = setTimeout(action, ms);
    return { ref() {}, unref() {}, stop: () => clearTimeout(timer) };
  },
  startInterval(ms, action) {
    const timer = setInterval(action, ms);
    return { ref() {}, unref() {}, stop: () => clearInterval(timer) };
  },
  now: () => performance.now(),
};

/** Sets the clock. Called once, by mod.ts. */
export function useClock(by: Clock): void {
  clock = by;
}

/** Calls `action` after so many milliseconds, see {@linkcode Clock}. */
export function startTimer(ms: number, action: () => void, ref: boolean = true): Timer {
  return clock.startTimer(ms, action, ref);
}

/** The same again and again. */
export function startInterval(ms: number, action: () => void, ref: boolean = true): Timer {
  return clock.startInterval(ms, action, ref);
}

/** Resolves after so many milliseconds. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => void startTimer(ms, resolve));
}

const measured: Pick<Clock, "now"> = { now: () => clock.now() };

/** Counts milliseconds as that clock does, in the place of the global. */
export { measured as performance };
