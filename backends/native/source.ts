/**
 * Reading from a pipe: a small output stays in it until the child has ended and is then read
 * straight through read(2), if its receiver has the patience; everything else flows through the
 * runtime's event loop.
 *
 * @module
 */

import type { Receiver, Source } from "../../core/backend.ts";
import type { Host } from "../spawner/host.ts";
import type { Kernel } from "./kernel.ts";
import { E } from "../../core/tables/kernel.ts";

/**
 * How long a child may take before its output goes through the event loop, in milliseconds. Most
 * programs whose output is small have ended by then; one that fills the pipe waits as long.
 */
const PATIENCE = 4;

/** How much is read at most without a turn of the event loop, in bytes. */
const AT_ONCE = 1024 * 1024;

/** A source over a non-blocking pipe, which it owns; `exited` resolves when its child has ended. */
export function sourceOf(
  kernel: Kernel,
  host: Host,
  fd: number,
  exited: Promise<unknown>,
): Source {
  let flowing: Source | undefined;
  let isRef = true;
  let closed = false;
  let flowNow: (() => void) | undefined;
  const flow = (receiver: Receiver) => {
    flowNow = undefined;
    try {
      flowing = host.source(fd);
    } catch (error) {
      // Some of the calls come from a timer, where nobody would catch it.
      return receiver.end(error instanceof Error ? error : new Error(String(error)));
    }
    if (!isRef) flowing.unref();
    flowing.start(receiver);
  };
  const wait = (receiver: Receiver) => {
    const timer = setTimeout(() => flowNow?.(), PATIENCE);
    flowNow = () => {
      clearTimeout(timer);
      flow(receiver);
    };
    exited.then(() => {
      if (closed || flowNow === undefined) return;
      clearTimeout(timer);
      flowNow = undefined;
      if (!readAll(receiver)) flow(receiver);
    }, () => {});
  };
  /** Reads to the end of the pipe; false if it is held open by another process. */
  const readAll = (receiver: Receiver): boolean => {
    for (let read = 0; read < AT_ONCE;) {
      const piece = kernel.readInto(fd);
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
      if (closed) return true;
    }
    return false;
  };
  return {
    start(receiver, { patient = false } = {}) {
      if (patient && isRef) wait(receiver);
      else flow(receiver);
    },
    pause: () => flowing?.pause(),
    resume: () => flowing?.resume(),
    close() {
      if (closed) return;
      closed = true;
      flowNow = undefined;
      if (flowing === undefined) kernel.close(fd);
      else flowing.close();
    },
    ref() {
      isRef = true;
      flowing?.ref();
    },
    unref() {
      isRef = false;
      flowing?.unref();
      // A timer would keep the event loop alive.
      flowNow?.();
    },
  };
}
