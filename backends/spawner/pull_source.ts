/**
 * A source over something that is read piece by piece.
 *
 * @module
 */

import { isError } from "../../core/error_code.ts";
import type { Receiver, Source } from "../../core/backend.ts";

/** What a source reads from. */
export interface PieceReader {
  /**
   * Reads the next piece. Resolves with undefined at the end, and with no bytes to be called again.
   */
  next(): Promise<Uint8Array | undefined>;
  /** Ends a pending `next()` and closes what is read. Called once. */
  close(): void;
  /** Keeps the event loop alive while `next()` waits, as it does at first. */
  ref(): void;
  unref(): void;
}

/** Returns a source over a reader, which it owns. */
export function pullSource(reader: PieceReader): Source {
  let paused = false;
  let isRef = true;
  let closed = false;
  let wake = () => {};
  const flow = async (receiver: Receiver) => {
    try {
      for (;;) {
        while (paused && !closed) await new Promise<void>((resolve) => wake = resolve);
        if (closed) return;
        const piece = await reader.next();
        if (closed) return;
        if (piece === undefined) break;
        if (piece.length > 0) receiver.chunk(piece, false);
      }
    } catch (error) {
      if (!closed) receiver.end(isError(error) ? error : new Error(String(error)));
      return;
    }
    receiver.end();
  };
  return {
    start(receiver) {
      void flow(receiver);
    },
    pause() {
      paused = true;
    },
    resume() {
      paused = false;
      wake();
    },
    close() {
      if (closed) return;
      closed = true;
      wake();
      reader.close();
    },
    ref() {
      if (isRef || closed) return;
      isRef = true;
      reader.ref();
    },
    unref() {
      if (!isRef || closed) return;
      isRef = false;
      reader.unref();
    },
  };
}
