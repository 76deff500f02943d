/**
 * Keeping the event loop alive while a child runs that somebody waits for: neither a signal
 * listener nor a pidfd does that.
 *
 * @module
 */

/** Whether the event loop is kept alive. It is not at first. */
export type Hold = (held: boolean) => void;

/** The longest interval of a JavaScript timer. */
const FOR_EVER = 0x7fff_ffff;

/** For Node and Bun, where a timer can be let go of and taken again. */
export function holdByOneTimer(): Hold {
  let timer: { ref(): unknown; unref(): unknown } | undefined;
  return (held) => {
    if (timer === undefined) {
      if (held) timer = setInterval(() => {}, FOR_EVER);
    } else if (held) {
      timer.ref();
    } else {
      timer.unref();
    }
  };
}

/** For Deno, whose test runner takes a timer that is kept for one that was forgotten. */
export function holdByNewTimers(): Hold {
  let timer: ReturnType<typeof setInterval> | undefined;
  return (held) => {
    if (held) {
      timer ??= setInterval(() => {}, FOR_EVER);
    } else {
      clearInterval(timer);
      timer = undefined;
    }
  };
}
