/**
 * How the kernel may schedule a program: the policies of sched(7) and the classes of ioprio_set(2),
 * by their names.
 *
 * @module
 */

/** Which priorities a policy takes, see sched(7). */
interface Priorities {
  readonly min: number;
  readonly max: number;
}

const NONE: Priorities = { min: 0, max: 0 };
const REAL_TIME: Priorities = { min: 1, max: 99 };

/**
 * The name of a scheduling policy. SCHED_DEADLINE is not among them: it takes three times instead of
 * a priority.
 */
export type SchedulerPolicy =
  | "SCHED_OTHER"
  | "SCHED_BATCH"
  | "SCHED_IDLE"
  | "SCHED_FIFO"
  | "SCHED_RR";

/** The policies, and the priorities that they take. */
export const POLICIES: Readonly<Record<SchedulerPolicy, Priorities>> = {
  SCHED_OTHER: NONE,
  SCHED_BATCH: NONE,
  SCHED_IDLE: NONE,
  SCHED_FIFO: REAL_TIME,
  SCHED_RR: REAL_TIME,
};

/** A policy, and its priority: 0 for those that have none. */
export interface Scheduler {
  readonly policy: SchedulerPolicy;
  readonly priority: number;
}

/** The name of a class of input and output. */
export type IoClass = "realtime" | "best-effort" | "idle";

/** What linux/ioprio.h calls the classes. */
export const IO_CLASSES = {
  "realtime": "IOPRIO_CLASS_RT",
  "best-effort": "IOPRIO_CLASS_BE",
  "idle": "IOPRIO_CLASS_IDLE",
} as const;

/** A class, and the level in it: 0 is served first, 7 last. */
export interface IoPriority {
  readonly class: IoClass;
  readonly level: number;
}

/** The level that the kernel gives by itself, IOPRIO_BE_NORM; and the last. */
export const IO_LEVELS = { normal: 4, last: 7 } as const;

/** The highest number that a processor can have, see CONFIG_NR_CPUS. */
export const LAST_CPU = 8191;
