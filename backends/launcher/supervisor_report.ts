/**
 * The report of a supervisor: the layout of the file, and reading it.
 *
 * The file begins with records at fixed offsets: the pid of the program; the siginfo_t and the
 * struct rusage of its end; the flags. What the program itself reports follows them. The spawner
 * may kill the supervisor between any two calls, so each record is written by a single call and
 * consists of zeros until then.
 *
 * @module
 */

import type { Exit } from "../../core/backend.ts";
import { SIGCHLD } from "../../core/tables/kernel.ts";
import { exitFrom } from "../child_program/exit.ts";

/** The size of siginfo_t in bytes, the same on all architectures. */
export const SIGINFO_SIZE = 128;

/** The size of struct rusage in bytes. */
export const RUSAGE_SIZE = 144;

/** The offset of the pid of the program. */
export const PID_AT = 0;

/** The offset of the siginfo_t of waitid(2), which the struct rusage follows. */
export const EXIT_AT = 8;

/**
 * The offset of the flags, two words. The first is positive if the time limit has passed. The
 * second is positive if all output was read, and the negative errno if SIGKILL was refused.
 */
export const FLAGS_AT: number = EXIT_AT + SIGINFO_SIZE + RUSAGE_SIZE;

/** The size of the flags in bytes. */
export const FLAGS_SIZE = 16;

/** The size of all records in bytes. */
export const RECORDS_SIZE: number = FLAGS_AT + FLAGS_SIZE;

/** What a supervisor reports. */
export interface SupervisorReport {
  /** The pid of the program; undefined if it was not started. */
  readonly pid: number | undefined;
  readonly timedOut: boolean;
  /** Whether all output was read. */
  readonly drained: boolean;
  /** The errno with which SIGKILL was refused, positive. */
  readonly refused: number | undefined;
  /** How the program ended; undefined if the supervisor did not wait for its end. */
  readonly exit: Exit | undefined;
  /** The bytes that the program itself has reported. */
  readonly status: Uint8Array;
}

/** Reads a report, however much of it was written. */
export function parseReport(bytes: Uint8Array): SupervisorReport {
  const records = new Uint8Array(RECORDS_SIZE);
  records.set(bytes.subarray(0, RECORDS_SIZE));
  const view = new DataView(records.buffer);
  const pid = view.getInt32(PID_AT, true);
  const drained = view.getInt32(FLAGS_AT + 8, true);
  // si_signo, which waitid(2) sets to SIGCHLD.
  const ended = view.getInt32(EXIT_AT, true) === SIGCHLD;
  return {
    pid: pid === 0 ? undefined : pid,
    timedOut: view.getInt32(FLAGS_AT, true) !== 0,
    drained: drained > 0,
    refused: drained < 0 ? -drained : undefined,
    exit: ended ? exitFrom(view, EXIT_AT, EXIT_AT + SIGINFO_SIZE) : undefined,
    status: bytes.subarray(RECORDS_SIZE),
  };
}
