/**
 * How a process ended, in the kernel's words and in ours.
 *
 * @module
 */

import { signalName } from "../tables/signals.ts";

/** How a program ended. */
export interface Status {
  /** Whether it exited with 0. */
  readonly success: boolean;
  /** The exit code, or null if a signal ended it. */
  readonly code: number | null;
  /** The signal that ended it, such as `SIGKILL`, or null. */
  readonly signal: string | null;
  /** The status as wait(2) gives it; NaN of a program that could not be ended and still runs. */
  readonly raw: number;
}

/** What there is to say of a program that could not be ended: neither a code nor a signal. */
export const STILL_RUNNING: Status = { success: false, code: null, signal: null, raw: NaN };

/** si_code of waitid(2). */
const CLD_EXITED = 1;
const CLD_DUMPED = 3;

/** The bit of a raw status that says that core was dumped. */
const CORE = 0x80;

/** Takes a raw status apart, as WIFEXITED and the other macros of wait(2) do. */
export function decodeStatus(raw: number): Status {
  const signal = raw & 0x7f;
  if (signal !== 0) return { success: false, code: null, signal: signalName(signal), raw };
  const code = (raw >> 8) & 0xff;
  return { success: code === 0, code, signal: null, raw };
}

/** The raw status from the two fields of waitid(2) that stand for it. */
export function rawFromWaitid(code: number, status: number): number {
  if (code === CLD_EXITED) return (status & 0xff) << 8;
  return code === CLD_DUMPED ? status | CORE : status;
}

/** The raw status of a program that ended by itself, or by a signal. */
export function rawStatus(code: number, signal: number | undefined): number {
  return signal ?? (code & 0xff) << 8;
}
