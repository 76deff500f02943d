/**
 * The part of the builder that sets what else a process has: its folder, umask, limits, session.
 *
 * @module
 */

import { DescriptorsDraft } from "./build_descriptors.ts";
import { misuse, notes, shownValue, textProblem } from "./draft.ts";
import { type LimitName, limits, type LimitValue, limitValue } from "./limits.ts";
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
      misuse(this, `umask(${shownValue(mode)}): expected 0 to 0o777`);
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
        `processGroup(${shownValue(pgid)}): expected a process group, or 0 for a new one`,
      );
    } else if (notes(this).grouping !== undefined) {
      misuse(this, "processGroup: session or process group was set before");
    } else {
      notes(this).grouping = { kind: "group", pgid };
    }
    return this;
  }

  #limit(call: string, name: LimitName, soft: LimitValue, hard: LimitValue): this {
    const known = typeof name === "string" && Object.hasOwn(limits, name);
    const [softly, firmly] = [limitValue(soft), limitValue(hard)];
    if (!known) {
      const names = Object.keys(limits).join(", ");
      misuse(this, `${call}(${shownValue(name)}): expected one of ${names}`);
    } else if (softly === undefined || firmly === undefined) {
      const wrong = softly === undefined ? soft : hard;
      misuse(
        this,
        `${call}: ${shownValue(wrong)} is neither a whole number from 0 nor "unlimited"`,
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
