/**
 * Keeping the event loop alive while a child is awaited: neither a signal listener nor a pidfd
 * does.
 *
 * @module
 */

import type { Refable } from "../../core/backend.ts";

/** The longest interval of a JavaScript timer, in milliseconds. */
const MAX_INTERVAL = 0x7fff_ffff;

/** Returns the one for Node and Bun, whose timers have `ref()`. It is not referenced at first. */
export function keepAliveByOneTimer(): Refable {
  let timer: { ref(): unknown; unref(): unknown } | undefined;
  return {
    ref() {
      if (timer === undefined) timer = setInterval(() => {}, MAX_INTERVAL);
      else timer.ref();
    },
    unref: () => void timer?.unref(),
  };
}

/**
 * Returns the one for Deno, whose test runner reports a timer that outlives a test. It is not
 * referenced at first.
 */
export function keepAliveByNewTimers(): Refable {
  let timer: ReturnType<typeof setInterval> | undefined;
  return {
    ref() {
      timer ??= setInterval(() => {}, MAX_INTERVAL);
    },
    unref() {
      clearInterval(timer);
      timer = undefined;
    },
  };
}
