/**
 * The part of the builder that sets what else a process has: its folder, umask, limits, session.
 *
 * @module
 */

import { DescriptorsDraft } from "./build_descriptors.ts";
import { displayValue, misuse, notes, textProblem } from "./builder.ts";
import { type LimitName, limits, type LimitValue, limitValue } from "../tables/limits.ts";
import {
  IO_CLASSES,
  IO_LEVELS,
  type IoClass,
  LAST_CPU,
  POLICIES,
  type SchedulerPolicy,
} from "../tables/scheduling.ts";
import { pathProblem } from "./stdio.ts";

/** A draft that takes process attributes. Base of {@linkcode Command}. */
export abstract class AttributesDraft extends DescriptorsDraft {
  /**
   * The child's working folder. Default: the parent's. The binary is looked up from the parent's
   * folder all the same.
   */
  cwd(dir: string): this {
    const problem = pathProblem(dir) ?? textProblem(dir);
    if (problem !== undefined) misuse(this, `cwd: ${problem}`);
    else if (notes(this).cwd !== undefined) misuse(this, "cwd: the folder was set before");
    else notes(this).cwd = dir;
    return this;
  }

  /**
   * The child's file mode creation mask, 0 to 0o777. 0 is a mask like any other.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * console.log((await new Command("sh", "-c", "umask").umask(0o027).run()).stdout); // 0027\n
   * ```
   */
  umask(mode: number): this {
    if (!Number.isInteger(mode) || mode < 0 || mode > 0o777) {
      misuse(this, `umask(${displayValue(mode)}): expected 0 to 0o777`);
    } else {
      notes(this).umask = mode;
    }
    return this;
  }

  /**
   * Sets a resource limit, see setrlimit(2). Without `hard`, the hard limit becomes the same as
   * the soft one. Set again, the last call counts.
   *
   * @param name One of the sixteen limits of Linux in lower case, such as `nofile`.
   * @param soft A count, bytes or seconds, as the limit has it; or `"unlimited"`.
   * @param hard The ceiling up to which the child may raise the soft limit.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * const cmd = new Command("sh", "-c", "ulimit -n").limit("nofile", 64, 128);
   * console.log((await cmd.run()).stdout); // 64\n
   * ```
   */
  limit(name: LimitName, soft: LimitValue, hard: LimitValue = soft): this {
    return this.#limit("limit", name, soft, hard);
  }

  /** The most descriptors the child may have open: `limit("nofile", n)`, exactly n. */
  maxFiles(n: LimitValue): this {
    return this.#limit("maxFiles", "nofile", n, n);
  }

  /** The most processes the child's user may have: `limit("nproc", n)`. */
  maxProcesses(n: LimitValue): this {
    return this.#limit("maxProcesses", "nproc", n, n);
  }

  /** The most memory the child may lock, in bytes: `limit("memlock", bytes)`. */
  maxMemLock(bytes: LimitValue): this {
    return this.#limit("maxMemLock", "memlock", bytes, bytes);
  }

  /** The largest core file, in bytes: `limit("core", bytes)`; 0 is none. */
  maxCoreSize(bytes: LimitValue): this {
    return this.#limit("maxCoreSize", "core", bytes, bytes);
  }

  /** Starts the program in a session of its own, without a controlling terminal, see setsid(2). */
  session(): this {
    if (notes(this).grouping !== undefined) {
      misuse(this, "session: session or process group was set before");
    } else {
      notes(this).grouping = { kind: "session" };
    }
    return this;
  }

  /**
   * Puts the program into the process group `pgid`, or into a new one of its own (default, 0), see
   * setpgid(2). A signal to the negative pid of the group's leader then reaches all of it.
   */
  processGroup(pgid: number = 0): this {
    if (!Number.isInteger(pgid) || pgid < 0 || pgid > 0x7fff_ffff) {
      misuse(
        this,
        `processGroup(${displayValue(pgid)}): expected a process group, or 0 for a new one`,
      );
    } else if (notes(this).grouping !== undefined) {
      misuse(this, "processGroup: session or process group was set before");
    } else {
      notes(this).grouping = { kind: "group", pgid };
    }
    return this;
  }

  /**
   * How readily the kernel ends the program when memory runs out, from -1000 (never) to 1000
   * (first), see proc_pid_oom_score_adj(5). The program's children inherit it. To set it lower than
   * it is needs CAP_SYS_RESOURCE.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * const cmd = new Command("cat", "/proc/self/oom_score_adj").oomScoreAdj(500);
   * console.log(await cmd.text()); // 500\n
   * ```
   */
  oomScoreAdj(score: number): this {
    if (!isWithin(score, -1000, 1000)) {
      misuse(this, `oomScoreAdj(${displayValue(score)}): expected -1000 to 1000`);
    } else {
      notes(this).oomScoreAdj = score;
    }
    return this;
  }

  /**
   * The program's nice value, from -20 (first) to 19 (last), see setpriority(2). It is the value
   * itself, and not added to that of this process. To set it lower than it is needs CAP_SYS_NICE or
   * a `limit("nice", …)` that allows it. Between sessions it may not count, see sched(7),
   * "The autogroup feature".
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * console.log(await new Command("nice").nice(19).text()); // 19\n
   * ```
   */
  nice(value: number): this {
    if (!isWithin(value, -20, 19)) {
      misuse(this, `nice(${displayValue(value)}): expected -20 to 19`);
    } else {
      notes(this).nice = value;
    }
    return this;
  }

  /**
   * How the program's input and output are served, see ioprio_set(2): `realtime` before all others,
   * which needs CAP_SYS_ADMIN or CAP_SYS_NICE; `best-effort`, as usual; `idle`, when nobody else
   * wants the device.
   *
   * @param level 0 (first) to 7 (last); default 4. `idle` has no levels.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * const cmd = new Command("ionice").ioPriority("best-effort", 7);
   * console.log(await cmd.text()); // best-effort: prio 7\n
   * ```
   */
  ioPriority(ioClass: IoClass, level: number = IO_LEVELS.normal): this {
    if (typeof ioClass !== "string" || !Object.hasOwn(IO_CLASSES, ioClass)) {
      const names = Object.keys(IO_CLASSES).join(", ");
      misuse(this, `ioPriority(${displayValue(ioClass)}): expected one of ${names}`);
    } else if (!isWithin(level, 0, IO_LEVELS.last)) {
      const given = `${displayValue(ioClass)}, ${displayValue(level)}`;
      misuse(this, `ioPriority(${given}): expected a level from 0 to ${IO_LEVELS.last}`);
    } else {
      notes(this).ioPriority = { class: ioClass, level };
    }
    return this;
  }

  /**
   * The processors that the program may run on, by their numbers from 0, see sched_setaffinity(2).
   * Numbers that this machine does not have, or that this process may not use, are passed over; if
   * none remains, the kernel refuses with EINVAL.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * console.log(await new Command("nproc").cpuAffinity([0]).text()); // 1\n
   * ```
   */
  cpuAffinity(cpus: readonly number[]): this {
    const all: unknown[] = Array.isArray(cpus) ? [...new Set<unknown>(cpus)] : [];
    const wrong = all.findIndex((cpu) => !isWithin(cpu, 0, LAST_CPU));
    if (!Array.isArray(cpus)) {
      misuse(this, `cpuAffinity(${displayValue(cpus)}): expected an array of processors`);
    } else if (all.length === 0) {
      misuse(this, "cpuAffinity([]): expected at least one processor");
    } else if (wrong >= 0) {
      misuse(this, `cpuAffinity: ${displayValue(all[wrong])}: expected 0 to ${LAST_CPU}`);
    } else {
      notes(this).cpuAffinity = all as number[];
    }
    return this;
  }

  /**
   * When the program gets a processor, see sched(7). `SCHED_OTHER` is the usual policy,
   * `SCHED_BATCH` is for what computes, and `SCHED_IDLE` for what runs when nobody else wants to;
   * they have no priority. `SCHED_FIFO` and `SCHED_RR` come before all of these, need a priority
   * from 1 (last) to 99 (first), and CAP_SYS_NICE or a `limit("rtprio", …)` that allows it.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * const cmd = new Command("sh", "-c", "chrt -p $$").scheduler("SCHED_BATCH");
   * console.log(await cmd.text()); // pid 4711's current scheduling policy: SCHED_BATCH …
   * ```
   */
  scheduler(policy: SchedulerPolicy, priority?: number): this {
    if (typeof policy !== "string" || !Object.hasOwn(POLICIES, policy)) {
      const names = Object.keys(POLICIES).join(", ");
      misuse(this, `scheduler(${displayValue(policy)}): expected one of ${names}`);
      return this;
    }
    const { min: least, max: most } = POLICIES[policy];
    // Where there is one to choose, nobody chooses it for the caller.
    const chosen = priority === undefined && most === 0 ? 0 : priority;
    if (!isWithin(chosen, least, most)) {
      const expected = most === 0 ? "no priority, or 0" : `a priority from ${least} to ${most}`;
      const given = `${displayValue(policy)}, ${displayValue(priority)}`;
      misuse(this, `scheduler(${given}): expected ${expected}`);
    } else {
      notes(this).scheduler = { policy, priority: chosen };
    }
    return this;
  }

  #limit(call: string, name: LimitName, soft: LimitValue, hard: LimitValue): this {
    const known = typeof name === "string" && Object.hasOwn(limits, name);
    const [softly, firmly] = [limitValue(soft), limitValue(hard)];
    if (!known) {
      const names = Object.keys(limits).join(", ");
      misuse(this, `${call}(${displayValue(name)}): expected one of ${names}`);
    } else if (softly === undefined || firmly === undefined) {
      const wrong = softly === undefined ? soft : hard;
      misuse(
        this,
        `${call}: ${displayValue(wrong)} is neither a whole number from 0 nor "unlimited"`,
      );
    } else if (softly > firmly) {
      misuse(this, `${call}: the soft limit ${soft} is above the hard limit ${hard}`);
    } else if (this.error === undefined) {
      const kept = notes(this);
      const others = kept.limits.filter((limit) => limit.name !== name);
      kept.limits = [...others, { name, resource: limits[name], soft: softly, hard: firmly }];
    }
    return this;
  }
}

/** Whether something is a whole number in a range. */
function isWithin(value: unknown, least: number, most: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= least && value <= most;
}
