/**
 * The synchronous run: poll(2) over the child's pipes and its pidfd, while the event loop is blocked.
 * Nothing of the asynchronous path is used.
 *
 * @module
 */

import type { Exit, SyncOutcome, SyncRun } from "../../core/backend.ts";
import { concat } from "../../core/bytes.ts";
import { KillError } from "../../core/errors.ts";
import { defined } from "../../core/own.ts";
import { E, POLL } from "../../core/tables/kernel.ts";
import { SIGKILL } from "../../core/timing.ts";
import type { ParentEnd } from "./child_fds.ts";
import type { Kernel } from "./kernel.ts";
import { type Polled, PollSet } from "./poll.ts";
import { hasEnded, reap } from "./reaper.ts";
import type { Running } from "./children.ts";
import { SyncClock } from "./sync_clock.ts";

/** How often a child without a pidfd is polled, in milliseconds. */
const POLL_INTERVAL_MS = 2;

/** One descriptor of the run. */
interface Handled extends Polled {
  /** Handles that it is ready; false when it is done with. */
  ready(): boolean;
}

/**
 * Writes input, reads output and waits until the child has ended; reaps it and closes its pipes. A
 * daemon goes on reading its buffers after its parent, our child, has ended: they are written to the
 * end. A child that cannot be killed although it should be is handed to `adopt`, which reaps it later.
 */
export function waitSync(
  kernel: Kernel,
  child: Running,
  ends: readonly ParentEnd[],
  run: SyncRun,
  adopt: (pid: number) => void,
): SyncOutcome {
  const wait = new SyncWait(kernel, child, ends, run);
  try {
    wait.toEnd();
  } catch (error) {
    const killed = kernel.raw("kill", child.pid, SIGKILL);
    const isRefused = killed < 0 && killed !== -E.ESRCH;
    if (wait.finish(isRefused ? "poll" : "wait") === undefined) adopt(child.pid);
    throw error;
  }
  const outcome = wait.outcome();
  if (outcome.exit === undefined) adopt(child.pid);
  return outcome;
}

/** The wait for one child. */
class SyncWait {
  readonly #kernel: Kernel;
  readonly #child: Running;
  readonly #isDaemon: boolean;
  readonly #clock: SyncClock;
  readonly #output: Readonly<Record<"stdout" | "stderr", OutputBuffer>>;
  readonly #pipes: readonly Handled[];
  /** Undefined where the kernel has no pidfds. */
  readonly #pidfd: Handled | undefined;
  readonly #open: Set<Handled>;
  #exited = false;
  #overflowed: "stdout" | "stderr" | undefined;

  constructor(kernel: Kernel, child: Running, ends: readonly ParentEnd[], run: SyncRun) {
    this.#kernel = kernel;
    this.#child = child;
    this.#isDaemon = child.daemonPid !== undefined;
    this.#clock = new SyncClock((signal) => send(kernel, child, signal), run);
    const { maxBuffer } = run;
    this.#output = { stdout: new OutputBuffer(maxBuffer), stderr: new OutputBuffer(maxBuffer) };
    const buffers = run.buffers.values();
    this.#pipes = ends.map(({ carries, fd }) => {
      if (carries === "stdout" || carries === "stderr") return this.#reader(fd, carries);
      const bytes = carries === "stdin" ? run.input : buffers.next().value;
      return writer(kernel, fd, bytes ?? new Uint8Array(0));
    });
    this.#pidfd = child.pidfd < 0
      ? undefined
      : { fd: child.pidfd, events: POLL.IN, ready: () => this.#hasExited() };
    this.#open = new Set(this.#pidfd === undefined ? this.#pipes : [...this.#pipes, this.#pidfd]);
  }

  /** Waits until the child has ended and its pipes are done with, or the clock stops the wait. */
  toEnd(): void {
    const kernel = this.#kernel;
    const isPolled = this.#pidfd === undefined;
    const set = new PollSet(kernel, Math.max(1, this.#open.size));
    try {
      while (!this.#exited || this.#isOutputOpen() || this.#isDaemonReading()) {
        const most = isPolled && !this.#exited ? POLL_INTERVAL_MS : Infinity;
        const ready = set.wait([...this.#open], Math.min(this.#clock.nextTimeout(), most));
        for (const each of ready) {
          if (each.ready()) continue;
          this.#open.delete(each);
          if (each !== this.#pidfd) kernel.close(each.fd);
        }
        if (isPolled && !this.#exited && hasEnded(kernel, this.#child.pid)) this.#hasExited();
        if (this.#clock.isOver({ quiet: ready.length === 0 })) return;
        if (this.#exited && this.#isDaemon && this.#clock.timedOut) return;
      }
    } finally {
      set.close();
    }
  }

  /** Reaps the child and closes everything; with `poll`, a child that still lives is not waited for. */
  finish(how: "wait" | "poll"): Exit | undefined {
    try {
      return reap(this.#kernel, this.#child.pid, how);
    } finally {
      if (this.#pidfd !== undefined) this.#open.add(this.#pidfd);
      for (const { fd } of this.#open) this.#kernel.close(fd);
    }
  }

  /** What came of the run. */
  outcome(): SyncOutcome {
    const { pid, daemonPid } = this.#child;
    const { refusal, timedOut } = this.#clock;
    const drained = this.#exited && !this.#isOutputOpen();
    const exit = this.finish(refusal === undefined ? "wait" : "poll");
    return {
      pid: daemonPid ?? pid,
      exit,
      refusal: exit === undefined ? refusal : undefined,
      stdout: this.#output.stdout.bytes(),
      stderr: this.#output.stderr.bytes(),
      timedOut: timedOut && this.#overflowed === undefined,
      overflowed: this.#overflowed,
      drained,
      ...defined({ daemonPid }),
    };
  }

  #isOutputOpen(): boolean {
    return this.#pipes.some((each) => each.events === POLL.IN && this.#open.has(each));
  }

  #isDaemonReading(): boolean {
    return this.#isDaemon && this.#pipes.some((each) => this.#open.has(each));
  }

  #hasExited(): false {
    this.#exited = true;
    if (!this.#isDaemon) this.#clock.exited();
    return false;
  }

  #reader(fd: number, carries: "stdout" | "stderr"): Handled {
    const kernel = this.#kernel;
    return {
      fd,
      events: POLL.IN,
      ready: () => {
        const bytes = kernel.readInto(fd);
        if (bytes === -E.EAGAIN) return true;
        if (typeof bytes === "number") throw kernel.error("read", bytes);
        if (bytes.length === 0) return false;
        this.#clock.arrived();
        if (this.#output[carries].add(bytes)) return true;
        this.#overflowed ??= carries;
        this.#clock.end();
        return false;
      },
    };
  }
}

function writer(kernel: Kernel, fd: number, bytes: Uint8Array): Handled {
  let rest = bytes;
  return {
    fd,
    events: POLL.OUT,
    ready() {
      if (rest.length > 0) {
        const n = kernel.writeFrom(fd, rest);
        if (n === -E.EAGAIN) return true;
        // The program has closed its end: it has read what it wanted.
        if (n === -E.EPIPE) return false;
        if (n < 0) throw kernel.error("write", n);
        rest = rest.subarray(n);
      }
      return rest.length > 0;
    },
  };
}

/** Output in memory, up to a limit. */
class OutputBuffer {
  readonly #limit: number;
  readonly #pieces: Uint8Array[] = [];
  #total = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Copies a piece; false if it exceeds the limit. */
  add(bytes: Uint8Array): boolean {
    const room = this.#limit - this.#total;
    const taken = bytes.slice(0, room);
    this.#pieces.push(taken);
    this.#total += taken.length;
    return bytes.length <= room;
  }

  bytes(): Uint8Array {
    return concat(this.#pieces);
  }
}

/**
 * Sends a signal to a child that was not reaped, so that its pid is still its own. Returns false if
 * the child has ended.
 */
function send(kernel: Kernel, { pid }: Running, signal: number): boolean {
  const result = kernel.raw("kill", pid, signal);
  if (result < 0 && result !== -E.ESRCH) throw new KillError({ pid, signal, errno: -result });
  return result >= 0;
}
