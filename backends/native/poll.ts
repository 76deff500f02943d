/**
 * Waiting for descriptors with poll(2), which blocks this thread.
 *
 * @module
 */

import { performance } from "../../core/clock.ts";
import { E, POLL } from "../../core/tables/kernel.ts";
import type { Kernel } from "./kernel.ts";
import { place, regions } from "./scratch.ts";

/** One descriptor of a poll set. */
export interface Polled {
  readonly fd: number;
  /** What is waited for, see {@linkcode POLL}; hang-up and errors always are. */
  readonly events: number;
}

/** What is in the scratch memory: struct timespec, and struct pollfd of so many descriptors. */
const { timespec: TIMESPEC, pollfds: POLLFDS } = regions({ timespec: 16, pollfds: 32 * 1024 });

/** struct pollfd: its size, and where its fields are. */
const POLLFD = { size: 8, fd: 0, events: 4, revents: 6 } as const;

/** A poll set: in the scratch memory or, if it has no room for so many, in memory of its own. */
export class PollSet {
  readonly #kernel: Kernel;
  /** The size of its own memory, in bytes; 0 if it has none. */
  readonly #mapped: number;
  readonly #address: number;
  readonly #view: DataView;

  constructor(kernel: Kernel, most: number) {
    const length = most * POLLFD.size;
    this.#kernel = kernel;
    this.#mapped = length > POLLFDS.size ? length : 0;
    if (this.#mapped === 0) {
      this.#address = place(kernel.scratch, POLLFDS, length);
      this.#view = new DataView(kernel.view.buffer, POLLFDS.at, POLLFDS.size);
    } else {
      this.#address = kernel.map(length);
      this.#view = new DataView(kernel.libc.view(this.#address, length));
    }
  }

  /** Waits until something is ready, at most `timeout` milliseconds; what is ready. */
  wait<T extends Polled>(polled: readonly T[], timeout: number): T[] {
    const kernel = this.#kernel;
    polled.forEach(({ fd, events }, i) => {
      this.#view.setInt32(i * POLLFD.size + POLLFD.fd, fd, true);
      // revents as well
      this.#view.setInt32(i * POLLFD.size + POLLFD.events, events, true);
    });
    const limited = timeout < 0x7fff_ffff;
    // Rounded up: waking a moment too early would only mean another round.
    const nanoseconds = BigInt(Math.ceil(limited ? timeout : 0)) * 1_000_000n;
    kernel.view.setBigInt64(TIMESPEC.at, nanoseconds / 1_000_000_000n, true);
    kernel.view.setBigInt64(TIMESPEC.at + 8, nanoseconds % 1_000_000_000n, true);
    const timespec = limited ? place(kernel.scratch, TIMESPEC) : 0;
    const n = kernel.raw("ppoll", this.#address, polled.length, timespec, 0, 8);
    if (n < 0) {
      if (n === -E.EINTR) return [];
      if (n !== -E.ENOMEM) throw kernel.error("ppoll", n);
      // There is no memory for the moment. The child runs already, so it is tried again.
      kernel.sleep(1);
      return [];
    }
    return polled.filter((_, i) => this.#revents(i) !== 0);
  }

  /** Whether the descriptor at an index was found hung up by the last wait. */
  isHungUp(index: number): boolean {
    return (this.#revents(index) & POLL.HUP) !== 0;
  }

  #revents(index: number): number {
    return this.#view.getInt16(index * POLLFD.size + POLLFD.revents, true);
  }

  close(): void {
    if (this.#mapped > 0) this.#kernel.unmap(this.#address, this.#mapped);
  }
}

/** Waits for something to read, or for the end of file, at most `timeout` milliseconds. */
export function isReadable(kernel: Kernel, fd: number, timeout: number): boolean {
  return waitFor(kernel, { fd, events: POLL.IN }, timeout);
}

/** Waits until no process has the other end of a pipe that we read from, at most `timeout` ms. */
export function waitForHangUp(kernel: Kernel, fd: number, timeout: number): boolean {
  return waitFor(kernel, { fd, events: 0 }, timeout);
}

/** Whether poll(2) reports POLLHUP now. */
export function isHungUp(kernel: Kernel, fd: number): boolean {
  const set = new PollSet(kernel, 1);
  return set.wait([{ fd, events: 0 }], 0).length > 0 && set.isHungUp(0);
}

function waitFor(kernel: Kernel, polled: Polled, timeout: number): boolean {
  const set = new PollSet(kernel, 1);
  const deadline = performance.now() + timeout;
  for (;;) {
    const left = Math.max(0, deadline - performance.now());
    if (set.wait([polled], left).length > 0) return true;
    if (performance.now() >= deadline) return false;
  }
}
