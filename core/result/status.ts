/**
 * How a process ended.
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
  /** The status as wait(2) returns it; NaN if the program could not be ended and still runs. */
  readonly raw: number;
}

/** The status of a program that could not be ended: it has neither a code nor a signal. */
export const STILL_RUNNING: Status = { success: false, code: null, signal: null, raw: NaN };

/** si_code of waitid(2). */
const CLD_EXITED = 1;
const CLD_DUMPED = 3;

/** The bit of a raw status for a core dump. */
const CORE = 0x80;

/** Decodes a raw status, as WIFEXITED and the other macros of wait(2) do. */
export function decodeStatus(raw: number): Status {
  const signal = raw & 0x7f;
  if (signal !== 0) return { success: false, code: null, signal: signalName(signal), raw };
  const code = (raw >> 8) & 0xff;
  return { success: code === 0, code, signal: null, raw };
}

/** Makes a raw status from `si_code` and `si_status` of waitid(2). */
export function rawFromWaitid(code: number, status: number): number {
  if (code === CLD_EXITED) return (status & 0xff) << 8;
  return code === CLD_DUMPED ? status | CORE : status;
}

/** Makes a raw status from an exit code, or from a signal. */
export function rawStatus(code: number, signal: number | undefined): number {
  return signal ?? (code & 0xff) << 8;
}
