/**
 * When a program is ended, and when the wait for its output ends: one policy for all ways of running.
 * Pure: the functions get the time, in milliseconds from any origin, and never read a clock. The core
 * and the drivers have the clocks. The supervisor of a synchronous run, which is a child program, gets
 * its numbers from here.
 *
 * @module
 */

/** The first signal of `abort()`, and the default of `killSignal`. */
export const SIGTERM = 15;

/** The signal that cannot be ignored. */
export const SIGKILL = 9;

/** How many times output that keeps arriving may restart `drain`. */
const DRAIN_ROUNDS = 4;

/** Milliseconds to read what is in the pipes at the program's end, also with drain 0. */
export const MIN_DRAIN_MS = 50;

/** The size of the largest pipe, in bytes: the default of fs.pipe-max-size, see pipe(7). */
export const FULL_PIPE: number = 1024 * 1024;

/** The number of pages of such a pipe, which is the most pieces that it can hold. */
export const FULL_PIPE_PIECES: number = FULL_PIPE / 4096;

/** The default of `drain`, in milliseconds. */
export const DRAIN = 1000;

/** Returns `drain` for a program that is killed: not more than the default. */
export function hurriedDrain(drain: number): number {
  return Math.min(drain, DRAIN);
}

/** Returns the longest time for output after the program's end, in milliseconds. */
export function longestDrain(drain: number): number {
  return Math.max(DRAIN_ROUNDS * drain, MIN_DRAIN_MS);
}

/**
 * The wait for outputs after their program's end. A descendant may hold a pipe open for ever: `drain`
 * milliseconds without output end the wait, and so does output that never ends.
 */
export class Draining {
  readonly #drain: number;
  #begun: number;
  #latest: number;
  #delays = 0;

  constructor(drain: number, endedAt: number) {
    this.#drain = drain;
    this.#begun = endedAt;
    this.#latest = endedAt;
  }

  /** Output has arrived, now or earlier: `drain` starts again. */
  arrived(at: number): void {
    this.#latest = Math.max(this.#latest, at);
  }

  /** The reader was busy until now with what the program wrote: this time does not count. */
  heldUp(now: number): void {
    this.#begun = now;
  }

  /** Nothing could be read for so long: output that keeps coming may do so for as much longer. */
  delayed(ms: number): void {
    this.#delays += ms;
  }

  /** When the wait is over if nothing more arrives. */
  get deadline(): number {
    return Math.min(Math.max(this.#begun, this.#latest) + this.#drain, this.#bound);
  }

  /**
   * Reports whether the wait is over. Data that is in the pipes at the program's end is always read,
   * also with `drain: 0`: after the deadline, the wait is over when it is `quiet`, that is, when
   * nothing was ready to be read.
   */
  isOver(now: number, { quiet }: { readonly quiet: boolean }): boolean {
    return now >= this.#bound || (quiet && now >= this.deadline);
  }

  get #bound(): number {
    return this.#begun + this.#delays + longestDrain(this.#drain);
  }
}

/** Ends a program: with a signal that asks it to end, and with SIGKILL after `grace`. */
export class Escalation {
  readonly #send: (signal: number) => boolean;
  #killAt = Infinity;

  /** `send` sends a signal, and returns false if the program is gone. */
  constructor(send: (signal: number) => boolean) {
    this.#send = send;
  }

  /** When SIGKILL is due; Infinity if it is not. */
  get killAt(): number {
    return this.#killAt;
  }

  /**
   * Asks the program to end. To ask again does not put SIGKILL off. If this signal cannot be sent,
   * the program has nothing to react to, and gets SIGKILL at once; throws if that cannot be sent.
   */
  ask(signal: number, now: number, grace: number): void {
    try {
      if (!this.#send(signal)) return;
    } catch {
      return this.force();
    }
    this.#killAt = Math.min(this.#killAt, now + grace);
  }

  /** Sends SIGKILL. Throws if it cannot be sent. */
  force(): void {
    this.done();
    this.#send(SIGKILL);
  }

  /** The program has ended, or SIGKILL was sent: nothing is due any more. */
  done(): void {
    this.#killAt = Infinity;
  }
}
