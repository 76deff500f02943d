/**
 * The step `signals`: what a child must do so that no signal is caught or ignored in its program.
 *
 * exec resets what is caught, and leaves ignored what is ignored, see signal(7). But until then a
 * child must not run a handler of the parent, whose memory it shares; it resets them all, or is born
 * without any.
 *
 * @module
 */

import { signals } from "../../core/tables/signals.ts";
import { type Arg, arg, type Call, call, NULL } from "./call.ts";

/** struct sigaction of the kernel: SIG_DFL, no flags, no mask. */
const DEFAULT_ACTION: Arg = { zeros: true, display: "SIG_DFL" };

const SIGNALS = signals.SIGRTMAX;

/** The signals with a name of their own; those above are real-time signals. */
const STANDARD = signals.SIGSYS;

/**
 * Resets everything. Signals 32 and 33 belong to the threads library, whose wrappers hide them; a
 * raw system call may set them all the same, and posix_spawn(3) is known for handing them on
 * ignored.
 */
export const RESET_ALL: readonly Call[] = resetting(
  settable(SIGNALS),
  `1…${SIGNALS}`,
  `${SIGNALS - 2} calls: every signal but SIGKILL and SIGSTOP`,
);

/**
 * For a child that is born without handlers: resets what may be ignored. Anything may ignore a
 * standard signal at any time. A real-time signal is ignored if the process was started so; `ignored`
 * are the signals that are when the driver is made.
 */
export function resetIgnored(ignored: readonly number[]): readonly Call[] {
  const more = ignored.filter((signal) => signal > STANDARD);
  const all = [...settable(STANDARD), ...more];
  const display = [`1…${STANDARD}`, ...more].join(", ");
  const note = `${all.length} calls: what may be ignored; handlers are gone since clone3(2)`;
  return resetting(all, display, note);
}

function settable(last: number): number[] {
  return Array.from({ length: last }, (_, i) => i + 1)
    .filter((signal) => signal !== signals.SIGKILL && signal !== signals.SIGSTOP);
}

/** Made once: what two programs share is laid out in an arena only once, see encode.ts. */
function resetting(each: readonly number[], display: string, note: string): readonly Call[] {
  const all = call("signals", "rt_sigaction", [arg(0, display), DEFAULT_ACTION, NULL, 8]);
  return [{ ...all, each, note }];
}
