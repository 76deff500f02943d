/**
 * What a synchronous run does when: the policy is that of core/timing.ts, and this is its clock.
 *
 * @module
 */

import { performance } from "../../core/clock.ts";
import type { SyncRun } from "../../core/backend.ts";
import { KillError } from "../../core/errors.ts";
import { Draining, Escalation, FULL_PIPE_PIECES, hurriedDrain } from "../../core/timing.ts";

/** The time limit, the grace between two signals, and the draining of one run. */
export class SyncClock {
  readonly #run: SyncRun;
  readonly #escalation: Escalation;
  #timeoutAt: number;
  #draining: Draining | undefined;
  /** How many pieces have arrived while draining. */
  #pieces = 0;
  #ending = false;
  timedOut = false;
  /** Why the child cannot be killed, although it should be. */
  refusal: KillError | undefined;

  /**
   * `send` sends a signal to the child, returns false if the child has ended, and throws a KillError
   * if the signal is refused.
   */
  constructor(send: (signal: number) => boolean, run: SyncRun) {
    this.#escalation = new Escalation(send);
    this.#run = run;
    this.#timeoutAt = performance.now() + (run.timeout ?? Infinity);
  }

  /** Asks the child to end: `killSignal` now, SIGKILL after the grace. */
  end(): void {
    if (this.#ending) return;
    this.#ending = true;
    this.#timeoutAt = Infinity;
    const { killSignal, grace } = this.#run;
    this.#attempt(() => this.#escalation.ask(killSignal, performance.now(), grace));
  }

  /** The child has ended: its outputs are drained. */
  exited(): void {
    this.#escalation.done();
    const { drain } = this.#run;
    this.#draining = new Draining(this.#ending ? hurriedDrain(drain) : drain, performance.now());
  }

  /** Output has come: while draining, the wait starts again, up to a bound. */
  arrived(): void {
    if (this.#draining === undefined) return;
    this.#draining.arrived(performance.now());
    this.#pieces++;
  }

  /** Milliseconds until something is due; Infinity if nothing is. */
  nextTimeout(): number {
    const drainUntil = this.#draining?.deadline ?? Infinity;
    const next = Math.min(this.#timeoutAt, this.#escalation.killAt, drainUntil);
    return Math.max(0, next - performance.now());
  }

  /**
   * Does what is due. Returns true if nothing more is waited for; `quiet` says whether the last poll
   * found nothing ready.
   */
  isOver({ quiet }: { readonly quiet: boolean }): boolean {
    const now = performance.now();
    if (now >= this.#timeoutAt) {
      this.timedOut = true;
      this.#timeoutAt = Infinity;
      // The program has ended in time; a process that it has started still holds the pipes.
      if (this.#draining !== undefined) return true;
      this.end();
    }
    if (now >= this.#escalation.killAt) this.#attempt(() => this.#escalation.force());
    if (this.refusal !== undefined) return true;
    // This process may have had no processor for so long: what a pipe can have held is read.
    const mayBeRest = !quiet && this.#pieces <= FULL_PIPE_PIECES;
    return !mayBeRest && this.#draining?.isOver(now, { quiet }) === true;
  }

  #attempt(action: () => void): void {
    try {
      action();
    } catch (error) {
      if (!(error instanceof KillError)) throw error;
      this.refusal = error;
    }
  }
}
