/**
 * The synchronous run: poll(2) over the child's pipes and its pidfd, while the event loop stands
 * still. Nothing of the asynchronous path is used.
 *
 * @module
 */

import type { SyncOutcome, SyncRun } from "../../core/backend.ts";
import { KillError } from "../../core/errors.ts";
import { Draining, Escalation, hurriedDrain, SIGKILL } from "../../core/timing.ts";
import type { Kernel } from "./kernel.ts";
import { E } from "../../core/tables/kernel.ts";
import { hasEnded, reap } from "./reaper.ts";
import { place, regions } from "./scratch.ts";
import type { Running } from "./starter.ts";
import type { ParentEnd } from "./child_fds.ts";
import { concat } from "../../core/bytes.ts";

const POLLIN = 1;
const POLLOUT = 4;
const WNOHANG = 1;

/** One descriptor of the poll set. */
interface Polled {
  readonly fd: number;
  readonly events: number;
  /** Does what there is to do; false when the descriptor is done with. */
  ready(): boolean;
}

/**
 * Feeds, gathers and waits until the child has ended; reaps it and closes its pipes. A daemon goes
 * on reading its buffers when the process that was our child is gone: it is fed to the end. A child
 * that is to end and cannot be ended is handed to `adopt`, which reaps it later.
 */
export function waitSync(
  kernel: Kernel,
  child: Running,
  ends: readonly ParentEnd[],
  run: SyncRun,
  adopt: (pid: number) => void,
): SyncOutcome {
  const daemon = child.daemonPid !== undefined;
  const clock = new Clock((signal) => send(kernel, child, signal), run);
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
  const hasExited = () => {
    exited = true;
    if (!daemon) clock.exited();
    return false;
  };
  const pidfd: Polled | undefined = child.pidfd < 0
    ? undefined
    : { fd: child.pidfd, events: POLLIN, ready: hasExited };
  const open = new Set(pidfd === undefined ? pipes : [...pipes, pidfd]);
  const outputOpen = () => pipes.some((each) => each.events === POLLIN && open.has(each));
  const feeding = () => daemon && pipes.some((each) => open.has(each));
  const end = (mayLive: boolean) => {
    const exit = reap(kernel, child.pid, mayLive ? WNOHANG : 0);
    if (pidfd !== undefined) open.add(pidfd);
    for (const { fd } of open) kernel.close(fd);
    if (exit === undefined) adopt(child.pid);
    return exit;
  };
  let set: PollSet | undefined;
  try {
    set = new PollSet(kernel, Math.max(1, open.size));
    while (!exited || outputOpen() || feeding()) {
      const most = pidfd === undefined && !exited ? LOOK_EVERY : Infinity;
      const ready = set.wait([...open], Math.min(clock.nextTimeout(), most));
      for (const each of ready) {
        if (each.ready()) continue;
        open.delete(each);
        if (each !== pidfd) kernel.close(each.fd);
      }
      if (pidfd === undefined && !exited && hasEnded(kernel, child.pid)) hasExited();
      if (clock.isOver(ready.length === 0)) break;
      if (exited && daemon && clock.timedOut) break;
    }
  } catch (error) {
    const killed = kernel.raw("kill", child.pid, SIGKILL);
    end(killed < 0 && killed !== -E.ESRCH);
    throw error;
  } finally {
    set?.close();
  }
  const drained = exited && !outputOpen();
  const exit = end(clock.refusal !== undefined);
  return {
    pid: child.daemonPid ?? child.pid,
    exit,
    refusal: exit === undefined ? clock.refusal : undefined,
    stdout: output.stdout.bytes(),
    stderr: output.stderr.bytes(),
    timedOut: clock.timedOut && overflowed === undefined,
    overflowed,
    drained,
    ...(child.daemonPid === undefined ? {} : { daemonPid: child.daemonPid }),
  };
}

/** How often a child that has no pidfd is looked at, in milliseconds. */
const LOOK_EVERY = 2;

/**
 * Sends a signal to a child that was not reaped, so that its pid is its own; returns false if it has
 * ended.
 */
function send(kernel: Kernel, { pid }: Running, signal: number): boolean {
  const result = kernel.raw("kill", pid, signal);
  if (result < 0 && result !== -E.ESRCH) throw new KillError({ pid, signal, errno: -result });
  return result >= 0;
}

/** What is to happen when: the time limit, the end of grace, the end of draining. */
class Clock {
  readonly #run: SyncRun;
  readonly #escalation: Escalation;
  #timeoutAt: number;
  #draining: Draining | undefined;
  #condemned = false;
  timedOut = false;
  /** Why the child cannot be ended, although it should be. */
  refusal: KillError | undefined;

  constructor(send: (signal: number) => boolean, run: SyncRun) {
    this.#escalation = new Escalation(send);
    this.#run = run;
    this.#timeoutAt = performance.now() + (run.timeout ?? Infinity);
  }

  condemn(): void {
    if (this.#condemned) return;
    this.#condemned = true;
    this.#timeoutAt = Infinity;
    const { killSignal, grace } = this.#run;
    this.#attempt(() => this.#escalation.ask(killSignal, performance.now(), grace));
  }

  exited(): void {
    this.#escalation.done();
    const { drain } = this.#run;
    const wait = this.#condemned ? hurriedDrain(drain) : drain;
    this.#draining = new Draining(wait, performance.now());
  }

  /** Output has come: while draining, that starts the wait again, up to a bound. */
  arrived(): void {
    this.#draining?.arrived(performance.now());
  }

  /** Milliseconds until something has to be done; Infinity if nothing has. */
  nextTimeout(): number {
    const drainUntil = this.#draining?.deadline ?? Infinity;
    const next = Math.min(this.#timeoutAt, this.#escalation.killAt, drainUntil);
    return Math.max(0, next - performance.now());
  }

  /** Does what is due; true if nothing more is waited for. `quiet`: nothing was ready. */
  isOver(quiet: boolean): boolean {
    const now = performance.now();
    if (now >= this.#timeoutAt) {
      this.timedOut = true;
      this.#timeoutAt = Infinity;
      // The program has ended in time, what it has left behind has not.
      if (this.#draining !== undefined) return true;
      this.condemn();
    }
    if (now >= this.#escalation.killAt) this.#attempt(() => this.#escalation.force());
    return this.refusal !== undefined || this.#draining?.isOver(now, { quiet }) === true;
  }

  #attempt(action: () => void): void {
    try {
      action();
    } catch (error) {
      if (!(error instanceof KillError)) throw error;
      this.refusal = error;
    }
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
    return concat(this.#pieces);
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
      if (bytes === -E.EAGAIN) return true;
      if (typeof bytes === "number") throw kernel.error("read", bytes);
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
        if (n === -E.EAGAIN) return true;
        // The program has read what it wanted.
        if (n === -E.EPIPE) return false;
        if (n < 0) throw kernel.error("write", n);
        rest = rest.subarray(n);
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
  const set = new PollSet(kernel, 1);
  const deadline = performance.now() + timeout;
  for (;;) {
    const left = Math.max(0, deadline - performance.now());
    if (set.wait([polled], left).length > 0) return true;
    if (performance.now() >= deadline) return false;
  }
}

/** What is in the scratch memory: struct timespec, and struct pollfd of so many descriptors. */
const { timespec: TIMESPEC, pollfds: POLLFDS } = regions({ timespec: 16, pollfds: 32 * 1024 });

/** The size of struct pollfd, in bytes. */
const POLLFD = 8;

/** The poll set: in the scratch memory or, if it has no room for so many, in memory of its own. */
class PollSet {
  readonly #kernel: Kernel;
  readonly #own: number;
  readonly #address: number;
  readonly #view: DataView;

  constructor(kernel: Kernel, most: number) {
    const length = most * POLLFD;
    this.#kernel = kernel;
    this.#own = length > POLLFDS.size ? length : 0;
    if (this.#own === 0) {
      this.#address = place(kernel.scratch, POLLFDS, length);
      this.#view = new DataView(kernel.view.buffer, POLLFDS.at, POLLFDS.size);
    } else {
      this.#address = kernel.map(length);
      this.#view = new DataView(kernel.libc.view(this.#address, length));
    }
  }

  /** Waits until something is ready, at most `timeout` milliseconds. */
  wait(polled: readonly Polled[], timeout: number): Polled[] {
    const kernel = this.#kernel;
    polled.forEach(({ fd, events }, i) => {
      this.#view.setInt32(i * POLLFD, fd, true);
      this.#view.setInt32(i * POLLFD + 4, events, true);
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
      // There is none for the moment. To give up would be worse: the child is there, and runs.
      kernel.sleep(1);
      return [];
    }
    return polled.filter((_, i) => this.#view.getInt16(i * POLLFD + 6, true) !== 0);
  }

  close(): void {
    if (this.#own > 0) this.#kernel.unmap(this.#address, this.#own);
  }
}
