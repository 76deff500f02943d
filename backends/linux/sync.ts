/**
 * The synchronous run: poll(2) over the child's pipes and its pidfd, while the event loop stands
 * still. Nothing of the asynchronous path is used.
 *
 * @module
 */

import type { SyncOutcome, SyncRun } from "../../core/backend.ts";
import { ERR, type Kernel } from "./kernel.ts";
import { reap } from "./reaper.ts";
import type { Running } from "./starter.ts";
import type { ParentEnd } from "./wires.ts";

const POLLIN = 1;
const POLLOUT = 4;
const SIGKILL = 9;

/** How many times `drain` may be started anew by output that keeps coming. */
const DRAIN_ROUNDS = 4;

/** Milliseconds in which what is in the pipes at the end can be read. */
const LEAST_DRAIN = 50;

/** Where in the scratch memory struct timespec goes, behind the poll set. */
const TIMESPEC_AT = 8 * 1024;

/** One descriptor of the poll set. */
interface Polled {
  readonly fd: number;
  readonly events: number;
  /** Does what there is to do; false when the descriptor is done with. */
  ready(): boolean;
}

/**
 * Feeds, gathers and waits until the child has ended; reaps it and closes its pipes. A daemon goes
 * on reading its buffers when the process that was our child is gone: it is fed to the end.
 */
export function waitSync(
  kernel: Kernel,
  child: Running,
  ends: readonly ParentEnd[],
  run: SyncRun,
): SyncOutcome {
  const daemon = child.daemonPid !== undefined;
  const clock = new Clock(kernel, child.pidfd, run);
  const output = { stdout: new Gathered(run.maxBuffer), stderr: new Gathered(run.maxBuffer) };
  let overflowed: "stdout" | "stderr" | undefined;
  let buffer = 0;
  const pipes = ends.map(({ carries, fd }): Polled => {
    if (carries === "stdout" || carries === "stderr") {
      return gatherer(kernel, fd, output[carries], () => {
        overflowed ??= carries;
        clock.condemn();
      }, () => clock.arrived());
    }
    const bytes = carries === "stdin" ? run.input : run.buffers[buffer++];
    return feeder(kernel, fd, bytes ?? new Uint8Array(0));
  });
  let exited = false;
  const pidfd: Polled = {
    fd: child.pidfd,
    events: POLLIN,
    ready: () => {
      exited = true;
      if (!daemon) clock.exited();
      return false;
    },
  };
  const open = new Set([...pipes, pidfd]);
  const outputOpen = () => pipes.some((each) => each.events === POLLIN && open.has(each));
  const feeding = () => daemon && pipes.some((each) => open.has(each));
  while (!exited || outputOpen() || feeding()) {
    const ready = poll(kernel, [...open], clock.nextTimeout());
    for (const each of ready) {
      if (each.ready()) continue;
      open.delete(each);
      if (each !== pidfd) kernel.close(each.fd);
    }
    if (clock.isOver(ready.length === 0)) break;
    if (exited && clock.timedOut) break;
  }
  const drained = !outputOpen();
  const exit = reap(kernel, child.pid);
  open.add(pidfd);
  for (const { fd } of open) kernel.close(fd);
  if (exit === undefined) throw new Error("a child that was waited for is still there");
  return {
    pid: child.daemonPid ?? child.pid,
    exit,
    stdout: output.stdout.bytes(),
    stderr: output.stderr.bytes(),
    timedOut: clock.timedOut && overflowed === undefined,
    overflowed,
    drained,
    ...(child.daemonPid === undefined ? {} : { daemonPid: child.daemonPid }),
  };
}

/** What is to happen when: the time limit, the end of grace, the end of draining. */
class Clock {
  readonly #kernel: Kernel;
  readonly #pidfd: number;
  readonly #run: SyncRun;
  #timeoutAt: number;
  #killAt = Infinity;
  #drainUntil = Infinity;
  #drainLast = Infinity;
  #condemned = false;
  timedOut = false;

  constructor(kernel: Kernel, pidfd: number, run: SyncRun) {
    this.#kernel = kernel;
    this.#pidfd = pidfd;
    this.#run = run;
    this.#timeoutAt = performance.now() + (run.timeout ?? Infinity);
  }

  condemn(): void {
    if (this.#condemned) return;
    this.#condemned = true;
    this.#timeoutAt = Infinity;
    this.#signal(this.#run.killSignal);
    this.#killAt = performance.now() + this.#run.grace;
  }

  exited(): void {
    this.#timeoutAt = Infinity;
    this.#killAt = Infinity;
    const now = performance.now();
    this.#drainUntil = now + this.#run.drain;
    this.#drainLast = now + Math.max(DRAIN_ROUNDS * this.#run.drain, LEAST_DRAIN);
  }

  /** Output has come: while draining, that starts the wait anew, up to a bound. */
  arrived(): void {
    if (this.#drainUntil === Infinity) return;
    this.#drainUntil = Math.min(performance.now() + this.#run.drain, this.#drainLast);
  }

  /** Milliseconds until something has to be done; Infinity if nothing has. */
  nextTimeout(): number {
    const next = Math.min(this.#timeoutAt, this.#killAt, this.#drainUntil);
    return Math.max(0, next - performance.now());
  }

  /**
   * Does what is due; true if the wait for output is over. What is in the pipes at the end is
   * read all the same, so that `drain: 0` loses nothing: it is over when it is `quiet` as well.
   */
  isOver(quiet: boolean): boolean {
    const now = performance.now();
    if (now >= this.#timeoutAt) {
      this.timedOut = true;
      this.condemn();
    }
    if (now >= this.#killAt) {
      this.#killAt = Infinity;
      this.#signal(SIGKILL);
    }
    return now >= this.#drainLast || (quiet && now >= this.#drainUntil);
  }

  #signal(signal: number): void {
    this.#kernel.raw("pidfd_send_signal", this.#pidfd, signal, 0, 0);
  }
}

/** Output in memory, up to a limit. */
class Gathered {
  readonly #limit: number;
  readonly #pieces: Uint8Array[] = [];
  #total = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Copies a piece; false if it was too much. */
  add(bytes: Uint8Array): boolean {
    const room = this.#limit - this.#total;
    const taken = bytes.slice(0, room);
    this.#pieces.push(taken);
    this.#total += taken.length;
    return bytes.length <= room;
  }

  bytes(): Uint8Array {
    const whole = new Uint8Array(this.#total);
    let at = 0;
    for (const each of this.#pieces) {
      whole.set(each, at);
      at += each.length;
    }
    return whole;
  }
}

function gatherer(
  kernel: Kernel,
  fd: number,
  into: Gathered,
  overflow: () => void,
  arrived: () => void,
): Polled {
  return {
    fd,
    events: POLLIN,
    ready() {
      const bytes = kernel.readInto(fd);
      if (typeof bytes === "number") return bytes === ERR.EAGAIN;
      if (bytes.length === 0) return false;
      arrived();
      if (into.add(bytes)) return true;
      overflow();
      return false;
    },
  };
}

function feeder(kernel: Kernel, fd: number, bytes: Uint8Array): Polled {
  let rest = bytes;
  return {
    fd,
    events: POLLOUT,
    ready() {
      if (rest.length > 0) {
        const n = kernel.writeFrom(fd, rest);
        if (n === ERR.EAGAIN) return true;
        // EPIPE: the program has read what it wanted.
        rest = n < 0 ? new Uint8Array(0) : rest.subarray(n);
      }
      return rest.length > 0;
    },
  };
}

/** Waits for something to read, or for the end of it, at most `timeout` milliseconds. */
export function isReadable(kernel: Kernel, fd: number, timeout: number): boolean {
  return waitFor(kernel, fd, POLLIN, timeout);
}

/** Waits until nobody has the other end of a pipe that we read from, at most `timeout` ms. */
export function waitForHangUp(kernel: Kernel, fd: number, timeout: number): boolean {
  return waitFor(kernel, fd, 0, timeout);
}

function waitFor(kernel: Kernel, fd: number, events: number, timeout: number): boolean {
  const polled: Polled = { fd, events, ready: () => true };
  const deadline = performance.now() + timeout;
  for (;;) {
    const left = Math.max(0, deadline - performance.now());
    if (poll(kernel, [polled], left).length > 0) return true;
    if (performance.now() >= deadline) return false;
  }
}

/** Waits until something is ready, at most `timeout` milliseconds. */
function poll(kernel: Kernel, polled: readonly Polled[], timeout: number): Polled[] {
  const { view, scratch } = kernel;
  polled.forEach(({ fd, events }, i) => {
    view.setInt32(i * 8, fd, true);
    view.setInt32(i * 8 + 4, events, true);
  });
  const limited = timeout < 0x7fff_ffff;
  // Rounded up: waking a moment too early would only mean another round.
  const nanoseconds = BigInt(Math.ceil(limited ? timeout : 0)) * 1_000_000n;
  view.setBigInt64(TIMESPEC_AT, nanoseconds / 1_000_000_000n, true);
  view.setBigInt64(TIMESPEC_AT + 8, nanoseconds % 1_000_000_000n, true);
  const timespec = limited ? scratch + TIMESPEC_AT : 0;
  const n = kernel.raw("ppoll", scratch, polled.length, timespec, 0, 8);
  if (n < 0) {
    if (n === ERR.EINTR) return [];
    throw kernel.error("ppoll", n);
  }
  return polled.filter((_, i) => view.getInt16(i * 8 + 6, true) !== 0);
}
