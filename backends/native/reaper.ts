/**
 * The reaper: waits for children. The kernel makes SIGCHLD one per process, so there is
 * one listener and one reaper per runtime; it lives as long as the runtime does.
 *
 * The signal only makes it fast: others may remove the listener, or may have blocked the signal. As
 * long as there are children, a timer polls them as well. If it finds one that has ended and whose
 * signal does not arrive, the reaper adds its listener again, and polls more often until a signal
 * arrives.
 *
 * SIGCHLD means that some child has ended. The youngest few of ours are polled one by one: most
 * programs end before many others are started. The older ones have a pidfd in an epoll set, which
 * returns those that have ended; so the cost of an exit does not grow with the number of living
 * children, and children that other code has started are never reaped. Signals coalesce, but all
 * young children are polled each time and epoll is level-triggered, so that none is missed.
 *
 * A pid belongs to its child until the parent reaps it. If other code in this process has reaped one
 * of ours, waitid(2) fails with ECHILD, and the watch rejects.
 *
 * @module
 */

import { startInterval, startTimer, type Timer } from "../../core/clock.ts";
import type { Exit, Refable } from "../../core/backend.ts";
import { KillError, StateError } from "../../core/errors.ts";
import { boundOf } from "../posix/resident.ts";
import type { Host } from "../spawner/host.ts";
import type { Kernel } from "./kernel.ts";
import { E, EPOLL, P, RUSAGE_SELF, SIG_IGN, SIGCHLD, W } from "../../core/tables/kernel.ts";
import { place, regions } from "./scratch.ts";
import { exitFrom, long, MAXRSS } from "../child_program/exit.ts";

/** struct sigaction and sigset_t as the kernel has them, in bytes. */
const SIGACTION_SIZE = 32;
const SIGSET_SIZE = 8;

/** How many exits one epoll_pwait(2) reports. */
const BATCH = 256;

/** How many of the youngest children are polled one by one. */
const YOUNG = 4;

/** Milliseconds between two polls of the children; and while signals do not arrive. */
const POLL_MS = 50;
const POLL_MS_WITHOUT_SIGNALS = 10;

/** Milliseconds in which a signal that was sent arrives. */
const SIGNAL_DELAY_MS = 5;

const SIG_UNBLOCK = 1;

/** What is in the scratch memory: struct epoll_event of each exit, and the structures of waitid(2). */
const { events: EVENTS, siginfo: SIGINFO, rusage: RUSAGE } = regions({
  events: BATCH * 16,
  siginfo: 128,
  rusage: 144,
});

/** A child that is watched. */
interface Watched {
  readonly pid: number;
  /** Only older ones have one. */
  pidfd: number | undefined;
  readonly reaped: (exit: Exit) => void;
  readonly lost: (error: unknown) => void;
  isRef: boolean;
  over: boolean;
}

/** The handle of a watched child. */
export interface Watch extends Refable {
  /** Resolves when it was reaped; rejects if other code has reaped it. */
  readonly exited: Promise<Exit>;
  /** Sends a signal; false if the child was reaped. Throws a KillError if the kernel refuses. */
  readonly kill: (signal: number) => boolean;
}

/** Watches children and reaps them. */
export class Reaper {
  readonly #kernel: Kernel;
  readonly #host: Host;
  /** The youngest children, oldest first. */
  readonly #young: Watched[] = [];
  /** The others, which are in the epoll set, by their pid. */
  readonly #old = new Map<number, Watched>();
  /** Open only while there are old ones: a thread that is terminated closes nothing. */
  #epoll = -1;
  /** Removes the listener, if there is one. */
  #stopListening: (() => void) | undefined;
  /** Whether this process has listened before. */
  #isWarm = false;
  /** How many signals have arrived, and whether the latest one did not. */
  #signals = 0;
  #missesSignals = false;
  /** Polls the children as long as there are some. */
  #timer: Timer | undefined;
  /** Finds out, after a poll that has found an end, whether its signal arrives as well. */
  #signalCheck: Timer | undefined;
  /** How many children keep the event loop alive. */
  #refs = 0;

  constructor(kernel: Kernel, host: Host) {
    this.#kernel = kernel;
    this.#host = host;
  }

  /** Begins to listen. Called before each clone. */
  start(): void {
    if (this.#stopListening !== undefined) return;
    if (this.#isWarm) return this.#listen();
    // Deno panics if it has no descriptors for its listener. No other code runs in between.
    const pipes = [this.#kernel.tryPipe(), this.#kernel.tryPipe()];
    for (const pipe of pipes) {
      if (typeof pipe === "number") continue;
      this.#kernel.close(pipe.read);
      this.#kernel.close(pipe.write);
    }
    const refused = pipes.find((pipe) => typeof pipe === "number");
    if (refused !== undefined) throw this.#kernel.error("pipe2", refused);
    this.#listen();
  }

  /** Stops listening if there are no children, where that is to be. */
  stopIfIdle(): void {
    if (this.#young.length === 0 && this.#old.size === 0) this.#setTimer();
  }

  #listen(): void {
    this.#isWarm = true;
    this.#stopListening?.();
    this.#stopListening = this.#host.onSigchld(() => {
      this.#signals++;
      if (this.#missesSignals) this.#setMisses(false);
      this.#reapAll();
    });
  }

  /** Called by the timer. */
  #poll(): void {
    if (!this.#reapAll()) return;
    // Timers come before signals in a turn of the event loop.
    const signals = this.#signals;
    // If the last child has ended, nobody may be listening any more.
    if (this.#stopListening === undefined) return;
    this.#signalCheck?.stop();
    this.#signalCheck = startTimer(SIGNAL_DELAY_MS, () => {
      if (this.#signals !== signals || this.#stopListening === undefined) return;
      this.#listen();
      this.#setMisses(true);
    }, false);
  }

  #setMisses(misses: boolean): void {
    if (this.#missesSignals === misses) return;
    this.#missesSignals = misses;
    this.#timer?.stop();
    this.#timer = undefined;
    this.#setTimer();
  }

  /** Starts the timer if there are children; stops it if there are none, and may stop listening. */
  #setTimer(): void {
    if (this.#young.length === 0 && this.#old.size === 0) {
      this.#timer?.stop();
      this.#timer = undefined;
      if (!this.#host.stopsListening) return;
      this.#signalCheck?.stop();
      this.#stopListening?.();
      this.#stopListening = undefined;
    } else {
      const interval = this.#missesSignals ? POLL_MS_WITHOUT_SIGNALS : POLL_MS;
      this.#timer ??= startInterval(interval, () => this.#poll(), this.#refs > 0);
    }
  }

  /** Closes the epoll set. */
  close(): void {
    if (this.#epoll >= 0) this.#kernel.close(this.#epoll);
    this.#epoll = -1;
  }

  /** Watches a child until its end, and keeps the event loop alive. */
  watch(pid: number): Watch {
    // Another child may have been the last one since this one was started.
    this.start();
    const kernel = this.#kernel;
    const { promise: exited, resolve: reaped, reject: lost } = Promise.withResolvers<Exit>();
    const watched: Watched = { pid, pidfd: undefined, reaped, lost, isRef: false, over: false };
    this.#young.push(watched);
    if (this.#young.length > YOUNG) this.#moveOldest();
    this.#ref(watched);
    this.#setTimer();
    return {
      exited,
      kill: (signal) => !watched.over && isChild(kernel, pid) && send(kernel, pid, signal),
      ref: () => this.#ref(watched),
      unref: () => this.#unref(watched),
    };
  }

  /** Whether a child is watched. */
  watches(pid: number): boolean {
    return this.#old.has(pid) || this.#young.some((each) => each.pid === pid);
  }

  /**
   * Takes over a child that cannot be ended, and that its starter does not wait for: it is reaped when
   * it ends, and does not keep the event loop alive.
   */
  adopt(pid: number): void {
    this.start();
    const { exited, unref } = this.watch(pid);
    unref();
    // It is all the same if other code reaps it.
    exited.catch(() => {});
    // It may have ended before the listener was there.
    void Promise.resolve().then(() => this.#reapAll());
  }

  /** Moves the oldest of the young into the epoll set. If a descriptor is refused, it stays. */
  #moveOldest(): void {
    const [oldest] = this.#young;
    if (oldest === undefined) return;
    const { scratch, view, arch } = this.#kernel;
    const { pid } = oldest;
    if (this.#epoll < 0) {
      this.#epoll = this.#kernel.aboveStandard(this.#kernel.raw("epoll_create1", EPOLL.CLOEXEC));
      if (this.#epoll < 0) return;
    }
    const pidfd = this.#kernel.aboveStandard(this.#kernel.raw("pidfd_open", pid, 0));
    if (pidfd < 0) return;
    view.setUint32(0, EPOLL.IN, true);
    view.setBigUint64(arch.epollEvent.data, BigInt(pid), true);
    if (this.#kernel.raw("epoll_ctl", this.#epoll, EPOLL.CTL_ADD, pidfd, scratch) < 0) {
      this.#kernel.close(pidfd);
      return;
    }
    oldest.pidfd = pidfd;
    this.#young.shift();
    this.#old.set(pid, oldest);
  }

  /** Reaps the children that have ended; reports whether there were any. */
  #reapAll(): boolean {
    const ended: (() => void)[] = [];
    for (let i = 0; i < this.#young.length;) {
      const watched = this.#young[i];
      const notify = watched === undefined ? undefined : this.#reap(watched);
      if (notify === undefined) {
        i++;
      } else {
        this.#young.splice(i, 1);
        ended.push(notify);
      }
    }
    if (this.#old.size > 0) this.#reapOld(ended);
    if (this.#old.size === 0) this.close();
    this.#setTimer();
    // Last: a listener may start the next child, and use the scratch memory.
    for (const notify of ended) notify();
    return ended.length > 0;
  }

  #reapOld(ended: (() => void)[]): void {
    const { size, data } = this.#kernel.arch.epollEvent;
    const events = place(this.#kernel.scratch, EVENTS, BATCH * size);
    for (;;) {
      const n = this.#kernel.raw("epoll_pwait", this.#epoll, events, BATCH, 0, 0, 8);
      if (n === -E.EINTR) continue;
      const pids = Array.from(
        { length: Math.max(0, n) },
        (_, i) => Number(this.#kernel.view.getBigUint64(EVENTS.at + i * size + data, true)),
      );
      for (const pid of pids) {
        const watched = this.#old.get(pid);
        const notify = watched === undefined ? undefined : this.#reap(watched);
        if (notify === undefined) continue;
        this.#old.delete(pid);
        ended.push(notify);
      }
      if (n < BATCH) return;
    }
  }

  /** Reaps a child that has ended; returns what notifies its watcher. */
  #reap(watched: Watched): (() => void) | undefined {
    let notify: () => void;
    try {
      const exit = reap(this.#kernel, watched.pid, "poll");
      if (exit === undefined) return undefined;
      notify = () => watched.reaped(exit);
    } catch (error) {
      const message = `another part of this process has waited for the child ${watched.pid}`;
      notify = () => watched.lost(new StateError(message, { cause: error }));
    }
    this.#unref(watched);
    watched.over = true;
    if (watched.pidfd !== undefined) this.#kernel.close(watched.pidfd);
    return notify;
  }

  #ref(watched: Watched): void {
    if (watched.over || watched.isRef) return;
    watched.isRef = true;
    if (this.#refs++ === 0) this.#timer?.ref();
  }

  #unref(watched: Watched): void {
    if (watched.over || !watched.isRef) return;
    watched.isRef = false;
    if (--this.#refs === 0) this.#timer?.unref();
  }
}

/**
 * A process that was started with SIGCHLD ignored has no children to wait for, see waitid(2): the
 * kernel reaps them, and their exit status is lost. So the default is restored. Nor may the signal
 * stay blocked, as it can be in a process of Deno from its start.
 */
export function watchSigchld(kernel: Kernel): void {
  const { scratch, bytes, view } = kernel;
  // It is enough that one thread does not block it.
  view.setBigUint64(0, 1n << BigInt(SIGCHLD - 1), true);
  kernel.call("rt_sigprocmask", SIG_UNBLOCK, scratch, 0, SIGSET_SIZE);
  kernel.call("rt_sigaction", SIGCHLD, 0, scratch, SIGSET_SIZE);
  if (view.getBigUint64(0, true) !== BigInt(SIG_IGN)) return;
  bytes.fill(0, 0, SIGACTION_SIZE);
  kernel.call("rt_sigaction", SIGCHLD, scratch, 0, SIGSET_SIZE);
}

/** Reaps a child, and waits for it; or with `poll` returns undefined at once if it still lives. */
export function reap(
  kernel: Kernel,
  pid: number,
  how: "wait" | "poll" = "wait",
): Exit | undefined {
  const { scratch, view } = kernel;
  const flags = how === "poll" ? W.NOHANG : 0;
  const [siginfo, rusage] = [scratch + SIGINFO.at, scratch + RUSAGE.at];
  // With WNOHANG, waitid(2) returns 0 for a living child, and leaves si_pid at 0.
  view.setInt32(SIGINFO.at + 16, 0, true);
  for (;;) {
    const result = kernel.raw("waitid", P.PID, pid, siginfo, W.EXITED | flags, rusage);
    if (result === -E.EINTR) continue;
    if (result < 0) throw kernel.error("waitid", result);
    break;
  }
  if (view.getInt32(SIGINFO.at + 16, true) === 0) return undefined;
  const { raw, usage } = exitFrom(view, SIGINFO.at, RUSAGE.at);
  const { userMs, systemMs } = usage;
  return { raw, usage: { userMs, systemMs, maxRssBytes: ownRss(kernel, usage.maxRssBytes) } };
}

/** For each process, the resident size that a child must exceed so that it is known to be its own. */
const bounds = new WeakMap<Kernel, number>();

/** The largest resident size of a child; NaN if it may be ours. Ours never shrinks. */
function ownRss(kernel: Kernel, bytes: number): number {
  if (bytes <= (bounds.get(kernel) ?? 0)) return NaN;
  // Where it is refused, nothing can be compared.
  if (kernel.raw("getrusage", RUSAGE_SELF, kernel.scratch + RUSAGE.at) < 0) return NaN;
  const bound = boundOf(long(kernel.view, RUSAGE.at + MAXRSS) * 1024);
  bounds.set(kernel, bound);
  return bytes > bound ? bytes : NaN;
}

/** Sends a signal to a child that was not reaped, so that its pid is still its own. */
function send(kernel: Kernel, pid: number, signal: number): boolean {
  const result = kernel.raw("kill", pid, signal);
  if (result === -E.ESRCH) return false;
  if (result < 0) throw new KillError({ pid, signal, errno: -result });
  return true;
}

/** Whether a child has ended and is still to be reaped. */
export function hasEnded(kernel: Kernel, pid: number): boolean {
  const { scratch, view } = kernel;
  view.setInt32(SIGINFO.at + 16, 0, true);
  const how = W.EXITED | W.NOHANG | W.NOWAIT;
  const result = kernel.raw("waitid", P.PID, pid, scratch + SIGINFO.at, how, 0);
  // reap() reports the error.
  return result < 0 || view.getInt32(SIGINFO.at + 16, true) !== 0;
}

/** Whether a process is a child of this one, alive or not reaped yet. */
function isChild(kernel: Kernel, pid: number): boolean {
  return kernel.raw("waitid", P.PID, pid, 0, W.EXITED | W.NOHANG | W.NOWAIT, 0) === 0;
}
