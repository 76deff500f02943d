/**
 * Reading from a pipe: a small output stays in it until the child has ended and is then read
 * straight through read(2), if its receiver can wait for that; everything else is read by the
 * runtime's event loop.
 *
 * @module
 */

import { isError } from "../../core/error_code.ts";
import { isReadable } from "./poll.ts";
import { startTimer, type Timer } from "../../core/clock.ts";
import type { Receiver, Source } from "../../core/backend.ts";
import type { Host } from "../spawner/host.ts";
import type { Kernel } from "./kernel.ts";
import { E } from "../../core/tables/kernel.ts";

/**
 * How long a child may take before its output goes through the event loop, in milliseconds. Most
 * programs whose output is small have ended by then; one that fills the pipe waits as long.
 */
const PATIENCE_MS = 4;

/** How much is read at most without a turn of the event loop, in bytes. */
const MAX_READ = 1024 * 1024;

/** A source over a non-blocking pipe, which it owns; `exited` resolves when its child has ended. */
export function sourceOf(
  kernel: Kernel,
  host: Host,
  fd: number,
  exited: Promise<unknown>,
): Source {
  const pipe = new PipeReader(kernel, host, fd, exited);
  // An object with own properties: the core copies it, see own.ts.
  return {
    start: (receiver, options) => pipe.start(receiver, options),
    pause: () => pipe.pause(),
    resume: () => pipe.resume(),
    isReadable: () => pipe.isReadable(),
    close: () => pipe.close(),
    ref: () => pipe.ref(),
    unref: () => pipe.unref(),
  };
}

/** The reader of one pipe. */
class PipeReader implements Source {
  readonly #kernel: Kernel;
  readonly #host: Host;
  readonly #fd: number;
  readonly #exited: Promise<unknown>;
  /** What the event loop reads from, once it does. */
  #source: Source | undefined;
  #isRef = true;
  #closed = false;
  #timer: Timer | undefined;
  /** Ends the wait for the child's end, while there is one. */
  #stopWaiting: (() => void) | undefined;

  constructor(kernel: Kernel, host: Host, fd: number, exited: Promise<unknown>) {
    this.#kernel = kernel;
    this.#host = host;
    this.#fd = fd;
    this.#exited = exited;
  }

  start(receiver: Receiver, { patient = false }: { readonly patient?: boolean } = {}): void {
    if (patient && this.#isRef) this.#wait(receiver);
    else this.#flow(receiver);
  }

  pause(): void {
    this.#source?.pause();
  }

  resume(): void {
    this.#source?.resume();
  }

  isReadable(): boolean {
    return !this.#closed && isReadable(this.#kernel, this.#fd, 0);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer?.stop();
    this.#stopWaiting = undefined;
    if (this.#source === undefined) this.#kernel.close(this.#fd);
    else this.#source.close();
  }

  ref(): void {
    this.#isRef = true;
    this.#source?.ref();
  }

  unref(): void {
    this.#isRef = false;
    this.#source?.unref();
    // A timer would keep the event loop alive.
    this.#stopWaiting?.();
  }

  /** Lets the event loop read. */
  #flow(receiver: Receiver): void {
    this.#stopWaiting = undefined;
    let source: Source;
    try {
      source = this.#source = this.#host.source(this.#fd);
    } catch (error) {
      // Some of the calls come from a timer, where no caller would catch it.
      return receiver.end(isError(error) ? error : new Error(String(error)));
    }
    if (!this.#isRef) source.unref();
    source.start(receiver);
  }

  /** Waits for the child's end, and reads everything then; but not for longer than its patience. */
  #wait(receiver: Receiver): void {
    const timer = this.#timer = startTimer(PATIENCE_MS, () => this.#stopWaiting?.());
    this.#stopWaiting = () => {
      timer.stop();
      this.#flow(receiver);
    };
    this.#exited.then(() => {
      if (this.#closed || this.#stopWaiting === undefined) return;
      timer.stop();
      this.#stopWaiting = undefined;
      if (!this.#readAll(receiver)) this.#flow(receiver);
    }, () => {});
  }

  /** Reads to the end of the pipe; false if it is held open by another process. */
  #readAll(receiver: Receiver): boolean {
    const kernel = this.#kernel;
    for (let read = 0; read < MAX_READ;) {
      const piece = kernel.readInto(this.#fd);
      if (piece === -E.EAGAIN) return false;
      if (typeof piece === "number") {
        receiver.end(kernel.error("read", piece));
        return true;
      }
      if (piece.length === 0) {
        receiver.end();
        return true;
      }
      read += piece.length;
      receiver.chunk(piece, true);
      if (this.#closed) return true;
    }
    return false;
  }
}
