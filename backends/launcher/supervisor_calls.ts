/**
 * The building blocks of a supervisor's program: its calls, its poll slots, and conditions.
 *
 * The interpreter only distinguishes negative, zero and positive results, so a condition is a call
 * whose result has the right sign: read(2) of a timerfd succeeds once the timer has expired;
 * futex(2) compares a word; poll(2) ignores a slot with a negative descriptor, so a slot is emptied
 * by storing the error of a call into it.
 *
 * @module
 */

import { E, FUTEX_CMP_REQUEUE_PRIVATE } from "../../core/tables/kernel.ts";
import type { SyscallName } from "../child_program/arch.ts";
import { type Arg, type Call, call } from "../child_program/call.ts";

const POLLIN = 1;
const SPLICE_F_NONBLOCK = 2;

/** The size of struct pollfd in bytes. */
const POLLFD_SIZE = 8;

/** How many bytes a splice(2) moves at most: the largest size of a pipe by default, see pipe(7). */
export const SPLICE_LENGTH: number = 1024 * 1024;

/** What an empty poll slot holds: the result of close(-1). */
export const NO_FD: number = -E.EBADF;

/**
 * The poll slots, in memory one behind the other: a struct pollfd each. While the program runs, the
 * first six are polled; after its end, the five from `timeout` on; while a daemon is in its hook,
 * the last two.
 */
export const SLOTS = {
  parent: "slot parent",
  pidfd: "slot pidfd",
  grace: "slot grace",
  timeout: "slot timeout",
  out: "slot out",
  err: "slot err",
  drain: "slot drain",
  drainLimit: "slot drain limit",
  alive: "slot alive",
  aliveTimeout: "slot alive timeout",
} as const;

/** A poll slot. */
export type Slot = keyof typeof SLOTS;

/** The bytes of all slots, each waiting for its descriptor to be readable. */
export function pollSlots(fds: Readonly<Record<Slot, number>>): Uint8Array {
  const slots = Object.keys(SLOTS) as Slot[];
  const bytes = new Uint8Array(slots.length * POLLFD_SIZE);
  const view = new DataView(bytes.buffer);
  slots.forEach((slot, i) => {
    view.setInt32(i * POLLFD_SIZE, fds[slot], true);
    view.setInt16(i * POLLFD_SIZE + 4, POLLIN, true);
  });
  return bytes;
}

/** A call of the supervisor. */
export function op(name: SyscallName, args: readonly Arg[]): Call {
  return call("fds", name, args);
}

/** The same call, continuing at a label whatever its result is. */
export function always(from: Call, to: string): Call {
  return { ...from, jumps: { zero: to, positive: to, error: to } };
}

/** Waits until one of some slots is ready, the first of which is given. */
export function waitFor(first: Slot, count: number): Call {
  return op("ppoll", [{ cell: SLOTS[first] }, count, 0, 0, 8]);
}

/** Positive if a slot is ready. */
export function isReady(slot: Slot): Call {
  return op("ppoll", [{ cell: SLOTS[slot] }, 1, { zeros: true }, 0, 8]);
}

/** Zero if a slot is empty, else an error. */
export function isEmpty(slot: Slot): Call {
  const word = { cell: SLOTS[slot] };
  // The kernel compares 32 bits.
  return op("futex", [word, FUTEX_CMP_REQUEUE_PRIVATE, 0, 0, word, 0x1_0000_0000 + NO_FD]);
}

/** Positive if a timer has expired, else an error. */
export function hasExpired(timer: number): Call {
  return op("read", [timer, { cell: "ticks" }, 8]);
}

/** Makes a cell positive. */
export function setFlag(cell: string): Call {
  return { ...op("getpid", []), into: { cell } };
}

/** timerfd_settime(2): once, after so many milliseconds. 0 would disarm the timer. */
export function arm(timer: number, ms: number): Call {
  const ns = BigInt(Math.max(1, Math.round(Math.min(ms, 2 ** 40) * 1e6)));
  const spec = new BigInt64Array([0n, 0n, ns / 1_000_000_000n, ns % 1_000_000_000n]);
  return op("timerfd_settime", [timer, 0, { bytes: new Uint8Array(spec.buffer) }, 0]);
}

/** An output of the program: the pipe that it arrives by, and the spawner's stream. */
export interface Output {
  /** The read end; undefined if the output is not a pipe. */
  readonly from: number | undefined;
  readonly to: number;
  readonly slot: Slot;
}

/** Where to continue after an output was looked at. */
export interface AfterCopy {
  /** If something was copied. */
  readonly some: string;
  /** If there was nothing, or nothing is left to come. */
  readonly none: string;
}

/** Copies what is in an output's pipe to the spawner. At the end of file, empties its slot. */
export function copyOutput(label: string, output: Output, { some, none }: AfterCopy): Call[] {
  const { from, to, slot } = output;
  if (from === undefined) return [always({ ...op("getpid", []), label }, none)];
  const ended = `${label}: ended`;
  return [
    {
      ...op("splice", [from, 0, to, 0, SPLICE_LENGTH, SPLICE_F_NONBLOCK]),
      label,
      jumps: { positive: some, zero: ended, error: none },
    },
    { ...always(op("close", [-1]), none), label: ended, into: { cell: SLOTS[slot] } },
  ];
}
