/**
 * Orphans: processes whose parent has ended, and that the kernel has given to this one, since it is
 * process 1 of its pid namespace or a child subreaper, see PR_SET_CHILD_SUBREAPER(2const). Nobody
 * waits for them, so they stay as zombies.
 *
 * An orphan is given to the first thread of its new parent. The children of worker threads are not
 * in that thread's list, and are left alone. What the library has started is known. What the runtime
 * has started it reaps itself, in the turn of the event loop in which it hears of its end; so what
 * is there in several turns is nobody's.
 *
 * @module
 */

import { P, W } from "../../core/tables/kernel.ts";
import { startInterval, type Timer } from "../../core/clock.ts";
import { UnsupportedError } from "../../core/errors.ts";
import { textOf, wholeTextOf } from "./files.ts";
import type { Kernel } from "./kernel.ts";

const PR_SET_CHILD_SUBREAPER = 36;
const PR_GET_CHILD_SUBREAPER = 37;

/** Milliseconds between two looks. */
const INTERVAL = 400;

/** In how many looks a process must have been a zombie. */
const LOOKS = 3;

/** Reaps orphans as long as somebody wants that. */
export class Orphans {
  readonly #kernel: Kernel;
  readonly #isOurs: (pid: number) => boolean;
  /** Zombies by pid and time of their start, and in how many looks they were there. */
  #zombies: ReadonlyMap<string, number> = new Map();
  #users = 0;
  #timer: Timer | undefined;
  /** Whether this process is a subreaper because of us. */
  #isSubreaper = false;

  /** `isOurs` tells which children somebody waits for. */
  constructor(kernel: Kernel, isOurs: (pid: number) => boolean) {
    this.#kernel = kernel;
    this.#isOurs = isOurs;
  }

  /** Starts; returns what stops it, if nobody else wants it. Throws an UnsupportedError. */
  reap(subreaper: boolean): () => void {
    this.#requireList();
    if (subreaper) this.#becomeSubreaper();
    this.#users++;
    this.#timer ??= startInterval(INTERVAL, () => this.#look(), false);
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      if (--this.#users === 0) this.#stop();
    };
  }

  #stop(): void {
    this.#timer?.stop();
    this.#timer = undefined;
    this.#zombies = new Map();
    if (!this.#isSubreaper) return;
    this.#isSubreaper = false;
    this.#kernel.call("prctl", PR_SET_CHILD_SUBREAPER, 0);
  }

  #becomeSubreaper(): void {
    const { scratch, view } = this.#kernel;
    this.#kernel.call("prctl", PR_GET_CHILD_SUBREAPER, scratch);
    if (view.getInt32(0, true) !== 0) return;
    this.#kernel.call("prctl", PR_SET_CHILD_SUBREAPER, 1);
    this.#isSubreaper = true;
  }

  #look(): void {
    const children = this.#children();
    // No descriptor may be left at the moment. The next look will find them.
    if (children === undefined) return;
    const zombies = new Map<string, number>();
    for (const pid of children) {
      if (this.#isOurs(pid)) continue;
      const start = this.#startOfZombie(pid);
      if (start === undefined) continue;
      const zombie = `${pid} ${start}`;
      const looks = (this.#zombies.get(zombie) ?? 0) + 1;
      if (looks < LOOKS) zombies.set(zombie, looks);
      else this.#kernel.raw("waitid", P.PID, pid, 0, W.EXITED | W.NOHANG, 0);
    }
    this.#zombies = zombies;
  }

  /** When a process was started, in ticks; undefined unless it has ended and nobody has reaped it. */
  #startOfZombie(pid: number): string | undefined {
    const stat = textOf(this.#kernel, `/proc/${pid}/stat`) ?? "";
    // The name, in parentheses, may hold any of them.
    const [state, ...fields] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return state === "Z" ? fields[18] : undefined;
  }

  /** The children of the first thread; undefined if the list cannot be read. */
  #children(): number[] | undefined {
    const text = wholeTextOf(this.#kernel, this.#listFile());
    return text?.split(" ").map(Number).filter((pid) => pid > 0);
  }

  #listFile(): string {
    return `/proc/self/task/${this.#kernel.call("getpid")}/children`;
  }

  /** With the /proc of another pid namespace, `self` has another number. */
  #requireList(): void {
    if (this.#children() !== undefined) return;
    throw new UnsupportedError({
      feature: "reapOrphans",
      driver: "native",
      reason: `${this.#listFile()} cannot be read`,
      remedy: "mount the /proc of this process's pid namespace",
    });
  }
}
