/**
 * Writes that can be given up: a runtime may leave one pending after its reader has closed the
 * pipe.
 *
 * @module
 */

import { brokenPipe } from "./broken_pipe.ts";

/** Writes, one at a time. */
export interface InterruptibleWrites {
  /** Rejects with EPIPE after `close()`, and when it is interrupted. */
  write(bytes: Uint8Array): Promise<void>;
  isOpen(): boolean;
  /** Refuses further writes. Returns false if they are refused already. */
  close(): boolean;
  /** Rejects the pending write, if there is one. */
  interrupt(): void;
}

/** Returns writes by `write`, which resolves once there is room for more. */
export function interruptibleWrites(
  write: (bytes: Uint8Array) => Promise<unknown>,
): InterruptibleWrites {
  let closed = false;
  let interrupt: (() => void) | undefined;
  return {
    write: (bytes) =>
      new Promise((resolve, reject) => {
        if (closed) return reject(brokenPipe());
        interrupt = () => reject(brokenPipe());
        write(bytes).then(() => resolve(), reject);
      }),
    isOpen: () => !closed,
    close() {
      const wasOpen = !closed;
      closed = true;
      return wasOpen;
    },
    interrupt: () => interrupt?.(),
  };
}
