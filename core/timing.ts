/**
 * When a program is ended and when its output is given up: one policy for every way of running.
 * Pure: it is given the time, in milliseconds from any origin, and never asks for it. The drivers
 * and the core supply the clocks; the supervisor of a synchronous run, which is a child program,
 * takes its numbers from here.
 *
 * @module
 */

/** The first signal of `abort()`, and what a run sends unless `killSignal` says otherwise. */
export const SIGTERM = 15;

/** What cannot be ignored. */
export const SIGKILL = 9;

/** How many times `drain` may be started again by output that keeps coming. */
const DRAIN_ROUNDS = 4;

/** Milliseconds in which what is in the pipes at the program's end can be read, even with drain 0. */
export const MIN_DRAIN_MS = 50;

/** What the largest pipe holds, in bytes: the default of fs.pipe-max-size, see pipe(7). */
export const FULL_PIPE: number = 1024 * 1024;

/** The pages of such a pipe: no more pieces can be in it. */
export const FULL_PIPE_PIECES: number = FULL_PIPE / 4096;

/** The default of `drain`, in milliseconds. */
export const DRAIN = 1000;

/** `drain` of a program that had to be ended: its run is to be over, whatever was asked for. */
export function hurriedDrain(drain: number): number {
  return Math.min(drain, DRAIN);
}

/** The longest time that output may keep coming after the program's end, in milliseconds. */
export function longestDrain(drain: number): number {
  return Math.max(DRAIN_ROUNDS * drain, MIN_DRAIN_MS);
}

/**
 * The wait for outputs after their program's end. A descendant may hold a pipe open for ever: `drain`
 * milliseconds of silence end the wait, and so does output that goes on and on.
 */
export class Draining {
  readonly #drain: number;
  #begun: number;
  #latest: number;

  constructor(drain: number, endedAt: number) {
    this.#drain = drain;
    this.#begun = endedAt;
    this.#latest = endedAt;
  }

  /** Something has arrived, now or earlier: the silence begins again. */
  arrived(at: number): void {
    this.#latest = Math.max(this.#latest, at);
  }

  /** The reader itself took until now, with what the program had written: that does not count. */
  heldUp(now: number): void {
    this.#begun = now;
  }

  /** When the wait is over if nothing more arrives. */
  get deadline(): number {
    return Math.min(Math.max(this.#begun, this.#latest) + this.#drain, this.#bound);
  }

  /**
   * Whether the wait is over. What is in the pipes at the program's end is read in any case, so
   * that `drain: 0` loses nothing: past the deadline, it is over once nothing was ready to be read.
   */
  isOver(now: number, quiet: boolean): boolean {
    return now >= this.#bound || (quiet && now >= this.deadline);
  }

  get #bound(): number {
    return this.#begun + longestDrain(this.#drain);
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
