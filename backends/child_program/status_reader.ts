/**
 * The parent's reading of the control channel.
 *
 * @module
 */

import { concat } from "../../core/bytes.ts";
import { type ControlChannel, parseStatus, type Status } from "./protocol.ts";

/** Reads a child's reports until the channel ends. */
export class StatusReader {
  readonly #pieces: Uint8Array[] = [];
  readonly ended: Promise<void>;
  #wake: () => void = () => {};
  #over = false;
  #end: () => void = () => {};

  constructor(channel: Pick<ControlChannel, "listen">) {
    this.ended = new Promise((resolve) => this.#end = resolve);
    channel.listen((bytes) => {
      this.#pieces.push(bytes.slice());
      this.#wake();
    }, () => this.stop());
  }

  /** Reads no more: nothing that matters can come. */
  stop(): void {
    this.#over = true;
    this.#wake();
    this.#end();
  }

  /** Whether the channel has ended: the child has exec'ed, or is gone. */
  get isOver(): boolean {
    return this.#over;
  }

  /** Resolves to true when the child has reported so, to false if the channel ended before. */
  async until(condition: (status: Status) => boolean): Promise<boolean> {
    for (;;) {
      if (condition(this.status())) return true;
      if (this.#over) return false;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  /** Everything that was reported. */
  status(): Status {
    return parseStatus(concat(this.#pieces));
  }
}
