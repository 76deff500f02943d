/**
 * The children of this process, whatever their plans are: cloned, connected, watched, and ended if
 * their start fails.
 *
 * @module
 */

import type { Exit, Process, Sink } from "../../core/backend.ts";
import { SpawnError, SystemCallError } from "../../core/errors.ts";
import type { Plan } from "../../core/plan/plan.ts";
import { SIGKILL } from "../../core/timing.ts";
import type { Call, Program } from "../child_program/call.ts";
import type { Host } from "../spawner/host.ts";
import { adoptedSink } from "./adopted.ts";
import type { ParentEnd } from "./child_fds.ts";
import type { Cloned, CloneOptions, Cloner } from "./clone.ts";
import type { Kernel } from "./kernel.ts";
import { reap, Reaper, type Watch } from "./reaper.ts";
import { sourceOf } from "./source.ts";

/** A child by its numbers; its pidfd is -1 if it has none. */
export type ChildIds = Pick<Cloned, "pid" | "pidfd">;

/** A child that runs its program. */
export interface Running {
  /** Of the process that is our child: the program, or the one that made the daemon. */
  readonly pid: number;
  /** The same; -1 if it was not asked for. */
  readonly pidfd: number;
  readonly daemonPid: number | undefined;
  /** Whether it was killed because its start took longer than the time limit. */
  readonly late?: boolean;
}

/** The children of this process. */
export class Children {
  readonly kernel: Kernel;
  readonly host: Host;
  readonly reaper: Reaper;
  readonly #cloner: Cloner;

  constructor(kernel: Kernel, host: Host, cloner: Cloner) {
    this.kernel = kernel;
    this.host = host;
    this.reaper = new Reaper(kernel, host);
    this.#cloner = cloner;
  }

  /** Runs a program in a new child. Throws a SpawnError of step `clone` if there can be none. */
  clone(plan: Plan, program: Program, how: CloneOptions): Cloned {
    try {
      return this.#cloner.clone(program, how);
    } catch (error) {
      throw cloneError(error, plan);
    }
  }

  /** What failed in the memory that a child shared with us, if something did. */
  failureIn(cloned: Cloned): { call: Call; errno: number } | undefined {
    const { encoded, notes } = cloned;
    if (notes === undefined) return undefined;
    try {
      return encoded.failure(notes);
    } catch (error) {
      this.end(cloned);
      throw error;
    }
  }

  /** Reaps a child that has ended, and closes its pidfd. */
  reap({ pid, pidfd }: ChildIds): void {
    try {
      reap(this.kernel, pid);
    } finally {
      if (pidfd >= 0) this.kernel.close(pidfd);
    }
  }

  /**
   * Kills a child and reaps it, and closes its pidfd. One that may not be signalled is reaped when it
   * ends.
   */
  end(child: ChildIds): void {
    if (this.kernel.raw("kill", child.pid, SIGKILL) === 0) return this.reap(child);
    this.reaper.adopt(child.pid);
    if (child.pidfd >= 0) this.kernel.close(child.pidfd);
  }

  /** Watches a child until its end; if that fails, ends it. */
  watch(child: ChildIds): Watch {
    try {
      return this.reaper.watch(child.pid);
    } catch (error) {
      this.end(child);
      throw error;
    }
  }

  /** Makes streams of our ends of the pipes. */
  connect(
    ends: readonly ParentEnd[],
    exited: Promise<Exit>,
  ): Pick<Process, "stdin" | "stdout" | "stderr" | "buffers"> {
    const buffers: Sink[] = [];
    const pipes: { -readonly [K in "stdin" | "stdout" | "stderr"]?: Process[K] } = {};
    for (const { carries, fd } of ends) {
      if (carries === "buffer") buffers.push(adoptedSink(this.kernel, this.host, fd));
      else if (carries === "stdin") pipes.stdin = adoptedSink(this.kernel, this.host, fd);
      else pipes[carries] = sourceOf(this.kernel, this.host, fd, exited);
    }
    return { ...pipes, buffers };
  }
}

/** Kills a watched child whose start has failed; it is reaped when the event loop learns of its end. */
export function endWatched(watch: Watch): void {
  watch.kill(SIGKILL);
  watch.unref();
  watch.exited.catch(() => {});
}

/** The clone itself failed: no memory, or too many processes. */
function cloneError(error: unknown, plan: Plan): unknown {
  if (!(error instanceof SystemCallError)) return error;
  const { command } = plan;
  return new SpawnError({
    step: "clone",
    syscall: error.syscall,
    args: ["CLONE_VM|CLONE_VFORK|…"],
    errno: error.errno,
    command,
    cause: error,
  });
}
