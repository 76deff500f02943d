/**
 * The parent's side of the pipe on which a child tells how far it has come.
 *
 * @module
 */

import type { Source } from "../../core/backend.ts";
import { parseTold, type Told } from "./talk.ts";

/** Listens until the pipe ends. */
export class Tell {
  readonly #pieces: Uint8Array[] = [];
  #heard: () => void = () => {};
  #over = false;
  readonly #ended: Promise<void>;

  constructor(source: Pick<Source, "start" | "close">) {
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

  /** Resolves when the child has told so: true; or has ended, or exec'ed, instead: false. */
  async until(so: (told: Told) => boolean): Promise<boolean> {
    for (;;) {
      if (so(parseTold(this.bytes()))) return true;
      if (this.#over) return false;
      await new Promise<void>((resolve) => this.#heard = resolve);
    }
  }

  /** Resolves at the end of the pipe: the child has exec'ed, or is gone. */
  ended(): Promise<void> {
    return this.#ended;
  }

  /** Everything that was told. */
  bytes(): Uint8Array {
    return joined(this.#pieces);
  }
}

/** Pieces as one. */
export function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
