/**
 * How a running program is ended with the event loop's clock.
 *
 * @module
 */

import { performance } from "../clock.ts";
import { after } from "../command/options.ts";
import { CommandError } from "../errors.ts";
import { Escalation } from "../timing.ts";

/** Called with the reason if a program cannot be ended. */
export type Refused = (error: CommandError) => void;

const NO_LISTENERS: readonly Refused[] = [];

const NO_TIMER = () => {};

/** Ends one program. May be asked any number of times; the earliest SIGKILL counts. */
export class Ending {
  readonly #escalation: Escalation;
  readonly #command: () => string;
  #stopTimer: () => void = NO_TIMER;
  #listeners: readonly Refused[] = NO_LISTENERS;

  /** `send` sends a signal, and returns false if the program is gone. */
  constructor(send: (signal: number) => boolean, command: () => string) {
    this.#escalation = new Escalation(send);
    this.#command = command;
  }

  /**
   * Sends a signal, and SIGKILL after `grace` milliseconds. `refused` is called if the system does
   * not let this process send either of them.
   */
  begin(signal: number, grace: number, refused: Refused): void {
    this.#listeners = [...this.#listeners, refused];
    const before = this.#escalation.killAt;
    this.#attempt(() => this.#escalation.ask(signal, performance.now(), grace));
    const { killAt } = this.#escalation;
    if (killAt === before) return;
    this.#stopTimer();
    if (killAt === Infinity) return;
    // The child itself keeps the event loop alive, if anything does.
    this.#stopTimer = after(grace, () => this.#attempt(() => this.#escalation.force()), {
      ref: false,
    });
  }

  /** The program has ended: nothing more is sent, and nobody is called. */
  done(): void {
    this.#stopTimer();
    this.#escalation.done();
    this.#listeners = NO_LISTENERS;
  }

  #attempt(action: () => void): void {
    try {
      action();
    } catch (error) {
      const listeners = this.#listeners;
      this.#listeners = NO_LISTENERS;
      const reason = error instanceof CommandError
        ? error
        : new CommandError(`kill: ${String(error)}`, { cause: error, command: this.#command() });
      for (const refused of listeners) refused(reason);
    }
  }
}
