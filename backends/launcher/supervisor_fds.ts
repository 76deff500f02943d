/**
 * The descriptors of a supervisor. It opens them in a fixed order, and the kernel gives out the
 * lowest free number each time, see open(2): so the numbers are known before it runs.
 *
 * @module
 */

import type { ChildFds } from "./child_fds.ts";

/**
 * How many descriptors a supervisor opens besides the pipes: four timers, a pidfd, the two of a
 * pipe for its own use, and two for a daemon with a hook or one for its parent.
 */
const OWN_FDS = 9;

/** What happens to the program when the process that waits for its supervisor ends. */
export interface ParentWatch {
  /** The pid of that process. */
  readonly parent: number;
  /** The signal that the program gets. */
  readonly signal: number;
}

/** How a program is supervised. */
export interface SupervisorOptions {
  /**
   * Whether the program outlives the process that is started for it, as a daemon in its hook does:
   * then the supervisor waits for the hook as well.
   */
  readonly outlives?: boolean;
  /**
   * The supervisor watches its own parent. The program is not a child of that process, so the
   * kernel would not signal it.
   */
  readonly parentWatch?: ParentWatch | undefined;
  /** Whether the kernel has pidfds. Default: it has. */
  readonly pidfds?: boolean;
  /** Without close_range(2): a number that no open descriptor reaches. */
  readonly openBelow?: number | undefined;
}

/** The descriptors that a supervisor opens. */
export interface SupervisorFds {
  readonly timeout: number;
  readonly grace: number;
  readonly drain: number;
  /** The timer that limits draining as a whole. */
  readonly drainLimit: number;
  /** With `outlives`: the ends of the pipe for a daemon with a hook. */
  readonly aliveRead: number;
  readonly aliveWrite: number;
  /** With `parentWatch`: the pidfd of the parent. */
  readonly parent: number;
  /** The program's pidfd; without pidfds, a signalfd(2) for SIGCHLD. */
  readonly pidfd: number;
}

/**
 * Returns the child's end of a pipe for a daemon with a hook, which is not a child of the
 * supervisor. End of file on this pipe means that the daemon has executed its program or has ended.
 * The daemon writes to it when the hook is done, which fails if the supervisor has ended.
 */
export function aliveFd(childFds: Pick<ChildFds, "stdio" | "pipes">): number {
  return supervisorFds(childFds, { outlives: true }).aliveWrite;
}

/** Returns a number above everything that a supervisor opens. */
export function aboveSupervisor({ above, stdio, pipes }: ChildFds): number {
  return Math.max(above, afterPipes({ stdio, pipes }) + OWN_FDS);
}

function afterPipes({ stdio, pipes }: Pick<ChildFds, "stdio" | "pipes">): number {
  return stdio.length + 2 * pipes.length;
}

/** Returns the numbers that the kernel will give out. */
export function supervisorFds(
  childFds: Pick<ChildFds, "stdio" | "pipes">,
  { outlives = false, parentWatch }: SupervisorOptions,
): SupervisorFds {
  const first = afterPipes(childFds);
  return {
    timeout: first,
    grace: first + 1,
    drain: first + 2,
    drainLimit: first + 3,
    aliveRead: first + 4,
    aliveWrite: first + 5,
    parent: first + 4,
    pidfd: first + (outlives ? 6 : parentWatch === undefined ? 4 : 5),
  };
}
