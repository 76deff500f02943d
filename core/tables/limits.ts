/**
 * Resource limits of Linux, see getrlimit(2).
 *
 * @module
 */

/** The sixteen limits by name, and the number that the kernel knows them by. */
export const limits = {
  /** Processor time, in seconds. */
  cpu: 0,
  /** The largest file that may be written, in bytes. */
  fsize: 1,
  /** Data segment, in bytes. */
  data: 2,
  /** Stack of the main thread, in bytes. */
  stack: 3,
  /** Core file, in bytes. */
  core: 4,
  /** Resident set, in bytes. Linux does not enforce it. */
  rss: 5,
  /** Processes and threads of the user. */
  nproc: 6,
  /** One more than the highest descriptor. */
  nofile: 7,
  /** Locked memory, in bytes. */
  memlock: 8,
  /** Address space, in bytes. */
  as: 9,
  /** File locks. Linux does not enforce it. */
  locks: 10,
  /** Queued signals of the user. */
  sigpending: 11,
  /** POSIX message queues of the user, in bytes. */
  msgqueue: 12,
  /** 20 less the lowest nice value that may be set. */
  nice: 13,
  /** The highest real-time priority that may be set. */
  rtprio: 14,
  /** Processor time without a blocking call under real-time scheduling, in microseconds. */
  rttime: 15,
} as const;

/** The name of a limit, such as `nofile`. */
export type LimitName = keyof typeof limits;

/** The value of a limit. */
export type LimitValue = number | bigint | "unlimited";

/** RLIM64_INFINITY: no limit. */
export const LIMIT_INFINITY: bigint = 2n ** 64n - 1n;

/** A limit as the kernel takes it; undefined if it is no whole number from 0 to 2^64 - 1. */
export function limitValue(value: LimitValue): bigint | undefined {
  if (value === "unlimited") return LIMIT_INFINITY;
  if (typeof value === "bigint") {
    return value >= 0n && value <= LIMIT_INFINITY ? value : undefined;
  }
  return Number.isSafeInteger(value) && value >= 0 ? BigInt(value) : undefined;
}
