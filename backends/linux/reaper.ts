/**
 * The reaper: learns of the end of children. The kernel makes SIGCHLD one per process, so there is
 * one listener and one reaper per runtime; it lives as long as the runtime does.
 *
 * An epoll set holds the pidfds of our children. SIGCHLD says that somebody has died, epoll who of
 * ours; so the cost of an exit does not grow with the number of living children, and children of
 * others are never touched. Signals coalesce, but epoll is level-triggered: nobody is missed.
 *
 * @module
 */

import type { Exit } from "../../core/backend.ts";
import { rawFromWaitid } from "../../core/status.ts";
import type { Host } from "./host.ts";
import { ERR, type Kernel } from "./kernel.ts";

const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLLIN = 1;
const P_PIDFD = 3;
const WNOHANG = 1;
const WEXITED = 4;

/** How many exits one epoll_pwait(2) reports. */
const BATCH = 256;

/** Where in the scratch memory the structures of waitid(2) go, behind the events. */
const SIGINFO_AT = 16 * 1024;
const RUSAGE_AT = SIGINFO_AT + 128;

/** The longest interval of a JavaScript timer. */
const FOR_EVER = 0x7fff_ffff;

/** A child that is watched. */
interface Watched {
  readonly pidfd: number;
  readonly exited: (exit: Exit) => void;
  held: boolean;
}

/** A hold on a watched child. */
export interface Watch {
  /** Sends a signal; false if the child was reaped, or is not ours to signal any more. */
  kill(signal: number): boolean;
  /** Whether the event loop stays alive for this child. */
  hold(held: boolean): void;
}

/** Watches pidfds and reaps their processes. */
export class Reaper {
  readonly #kernel: Kernel;
  readonly #host: Host;
  readonly #watched = new Map<number, Watched>();
  #epoll = -1;
  #holds = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(kernel: Kernel, host: Host) {
    this.#kernel = kernel;
    this.#host = host;
  }

  /** Makes the epoll set and the listener, once. Called before the first clone. */
  start(): void {
    if (this.#epoll >= 0) return;
    this.#epoll = this.#kernel.call("epoll_create1", EPOLL_CLOEXEC);
    this.#host.onChildSignal(() => this.#reapAll());
  }

  /** Closes the epoll set. */
  close(): void {
    if (this.#epoll >= 0) this.#kernel.close(this.#epoll);
    this.#epoll = -1;
  }

  /** Watches a child until its end. Owns `pidfd` from here on, and holds the event loop. */
  watch(pidfd: number, exited: (exit: Exit) => void): Watch {
    const { scratch, view, arch } = this.#kernel;
    view.setUint32(0, EPOLLIN, true);
    view.setBigUint64(arch.epollEvent.data, BigInt(pidfd), true);
    this.#kernel.call("epoll_ctl", this.#epoll, EPOLL_CTL_ADD, pidfd, scratch);
    const watched: Watched = { pidfd, exited, held: false };
    this.#watched.set(pidfd, watched);
    this.#hold(watched, true);
    const alive = () => this.#watched.get(pidfd) === watched;
    return {
      kill: (signal) => alive() && this.#kernel.raw("pidfd_send_signal", pidfd, signal, 0, 0) === 0,
      hold: (held) => {
        if (alive()) this.#hold(watched, held);
      },
    };
  }

  #reapAll(): void {
    const { size, data } = this.#kernel.arch.epollEvent;
    for (;;) {
      const n = this.#kernel.raw("epoll_pwait", this.#epoll, this.#kernel.scratch, BATCH, 0, 0, 8);
      if (n === ERR.EINTR) continue;
      const pidfds = Array.from(
        { length: Math.max(0, n) },
        (_, i) => Number(this.#kernel.view.getBigUint64(i * size + data, true)),
      );
      const over = pidfds.map((pidfd) => this.#reap(pidfd));
      // Told last: a listener may start the next child, and use the scratch memory.
      for (const tell of over) tell?.();
      if (n < BATCH) return;
    }
  }

  #reap(pidfd: number): (() => void) | undefined {
    const watched = this.#watched.get(pidfd);
    if (watched === undefined) return undefined;
    const exit = reap(this.#kernel, pidfd, WNOHANG);
    if (exit === undefined) return undefined;
    this.#watched.delete(pidfd);
    this.#hold(watched, false);
    this.#kernel.close(pidfd);
    return () => watched.exited(exit);
  }

  #hold(watched: Watched, held: boolean): void {
    if (watched.held === held) return;
    watched.held = held;
    this.#holds += held ? 1 : -1;
    if (this.#holds > 0) {
      this.#timer ??= setInterval(() => {}, FOR_EVER);
    } else {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
  }
}

/** Waits for the process of a pidfd and reaps it; undefined if it lives and must not be waited for. */
export function reap(kernel: Kernel, pidfd: number, flags: number = 0): Exit | undefined {
  const { scratch, view } = kernel;
  // With WNOHANG, waitid(2) returns 0 for a living child, and leaves si_pid at 0.
  view.setInt32(SIGINFO_AT + 16, 0, true);
  for (;;) {
    const result = kernel.raw(
      "waitid",
      P_PIDFD,
      pidfd,
      scratch + SIGINFO_AT,
      WEXITED | flags,
      scratch + RUSAGE_AT,
    );
    if (result === ERR.EINTR) continue;
    if (result < 0) throw kernel.error("waitid", result);
    break;
  }
  if (view.getInt32(SIGINFO_AT + 16, true) === 0) return undefined;
  return exitFrom(view, SIGINFO_AT, RUSAGE_AT);
}

/** What waitid(2) has stored: siginfo_t and struct rusage. */
export function exitFrom(view: DataView, siginfo: number, rusage: number): Exit {
  const code = view.getInt32(siginfo + 8, true);
  const status = view.getInt32(siginfo + 24, true);
  const ms = (at: number) =>
    Number(view.getBigInt64(rusage + at, true)) * 1000 +
    Number(view.getBigInt64(rusage + at + 8, true)) / 1000;
  return {
    raw: rawFromWaitid(code, status),
    usage: {
      userMs: ms(0),
      systemMs: ms(16),
      maxRssBytes: Number(view.getBigInt64(rusage + 32, true)) * 1024,
    },
  };
}
