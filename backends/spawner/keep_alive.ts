/**
 * Keeping the event loop alive while somebody waits for a child: neither a signal listener nor a
 * pidfd does that.
 *
 * @module
 */

import type { Refable } from "../../core/backend.ts";

/** The longest interval of a JavaScript timer, in milliseconds. */
const MAX_INTERVAL = 0x7fff_ffff;

/** For Node and Bun, whose timers can be referenced again. Not referenced at first. */
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

/** For Deno, whose test runner reports a timer that outlives a test. Not referenced at first. */
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
