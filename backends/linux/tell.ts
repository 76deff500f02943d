/**
 * The parent's side of the pipe on which a child tells how far it has come.
 *
 * @module
 */

import type { Source } from "../../core/backend.ts";

/** Listens until the pipe ends. */
export class Tell {
  readonly #source: Source;
  readonly #pieces: Uint8Array[] = [];
  #heard: () => void = () => {};
  #over = false;
  readonly #ended: Promise<void>;

  constructor(source: Source) {
    this.#source = source;
    this.#ended = new Promise((resolve) => {
      source.start({
        chunk: (bytes) => {
          this.#pieces.push(bytes.slice());
          this.#heard();
        },
        end: () => {
          this.#over = true;
          source.close();
          this.#heard();
          resolve();
        },
      });
    });
  }

  /** Resolves when the child waits: true; or when it has ended instead: false. */
  async waits(): Promise<boolean> {
    if (this.#pieces.length === 0 && !this.#over) {
      await new Promise<void>((resolve) => this.#heard = resolve);
    }
    return this.#pieces.length > 0;
  }

  /** Resolves at the end of the pipe: the child has exec'ed, or is gone. */
  ended(): Promise<void> {
    return this.#ended;
  }

  /** Everything that was told. */
  bytes(): Uint8Array {
    const whole = new Uint8Array(this.#pieces.reduce((sum, piece) => sum + piece.length, 0));
    let at = 0;
    for (const piece of this.#pieces) {
      whole.set(piece, at);
      at += piece.length;
    }
    return whole;
  }

  /** Listens no more. */
  close(): void {
    this.#source.close();
  }
}
