/**
 * The part of the builder that decides with which rights the program runs.
 *
 * @module
 */

import { AttributesDraft } from "./build_attributes.ts";
import { type CapabilityName, capabilityNumber } from "../tables/capabilities.ts";
import { add, displayValue, misuse, notes, textProblem } from "./builder.ts";

/** The largest id; 2^32 - 1 means "unchanged" to the kernel. */
const MAX_ID = 0xffff_fffe;

/** A draft that takes ids, capabilities and labels. Base of {@linkcode Command}. */
export abstract class IdentityDraft extends AttributesDraft {
  /**
   * The user id of the program. Its primary group and its supplementary groups come from the user
   * database, unless `gid()` and `groups()` say otherwise; a user id that the database does not
   * know needs `gid()`.
   */
  uid(id: number): this {
    if (this.#isId("uid", id) && !this.#hasUser("uid")) notes(this).uid = id;
    return this;
  }

  /** The group id of the program. */
  gid(id: number): this {
    if (this.#isId("gid", id)) notes(this).gid = id;
    return this;
  }

  /** The supplementary groups of the program: exactly these. */
  groups(ids: readonly number[]): this {
    if (!Array.isArray(ids)) misuse(this, "groups: expected an array of group ids");
    else if (ids.every((id) => this.#isId("groups", id))) notes(this).groups = [...ids];
    return this;
  }

  /**
   * The user of the program by name, with uid, gid and groups from the user database. An unknown
   * name is a UsageError when the command runs.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * const cmd = new Command("id", "-un").user("nobody");
   * console.log(cmd.ids); // { uid: 65534, gid: 65534, groups: [ 65534 ] }
   * ```
   */
  user(name: string): this {
    if (typeof name !== "string" || name === "" || textProblem(name) !== undefined) {
      misuse(this, `user(${displayValue(name)}): expected the name of a user`);
    } else if (!this.#hasUser("user")) {
      notes(this).user = name;
    }
    return this;
  }

  /**
   * Takes every capability away that `allowCap()` does not name, also from the bounding set, so
   * that the program cannot get them back by executing something else.
   */
  clearCaps(): this {
    notes(this).clearCaps = true;
    return this;
  }

  /**
   * A capability that the program has, whatever its user: it is made permitted, effective,
   * inheritable and ambient.
   *
   * @param capability A name such as `"net_raw"` or `"CAP_NET_RAW"`, or a number.
   */
  allowCap(capability: CapabilityName | number): this {
    const number = capabilityNumber(capability);
    if (number === undefined) {
      misuse(this, `allowCap(${displayValue(capability)}): no capability`);
    } else if (this.error === undefined) {
      add(this, "allowedCaps", number);
    }
    return this;
  }

  /**
   * The program, and everything that it executes, gains no rights by an exec: set-uid bits, file
   * capabilities and the like do not count, see PR_SET_NO_NEW_PRIVS in prctl(2). It cannot be taken
   * back. `uid()`, `allowCap()` and what else this command sets are there all the same.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * const cmd = new Command("grep", "NoNewPrivs", "/proc/self/status").noNewPrivs();
   * console.log(await cmd.text()); // NoNewPrivs:\t1\n
   * ```
   */
  noNewPrivs(): this {
    notes(this).noNewPrivs = true;
    return this;
  }

  /** The SELinux context in which the program is executed. */
  selinuxLabel(label: string): this {
    if (this.#isLabel("selinuxLabel", label)) notes(this).selinuxLabel = label;
    return this;
  }

  /** The AppArmor profile in which the program is executed. */
  apparmorProfile(profile: string): this {
    if (this.#isLabel("apparmorProfile", profile)) notes(this).apparmorProfile = profile;
    return this;
  }

  /**
   * Never shares a processor core, at the same time, with a process outside its own group: a new
   * core scheduling cookie, see prctl(2) PR_SCHED_CORE. The last of `runAlone` and `runAmong`
   * counts.
   */
  runAlone(): this {
    notes(this).coreScheduling = { kind: "alone" };
    return this;
  }

  /** Shares processor cores with the process `pid` and its group: takes its cookie over. */
  runAmong(pid: number): this {
    if (!Number.isInteger(pid) || pid <= 0) {
      misuse(this, `runAmong(${displayValue(pid)}): expected a process id`);
    } else {
      notes(this).coreScheduling = { kind: "among", pid };
    }
    return this;
  }

  #hasUser(call: string): boolean {
    const { user, uid } = notes(this);
    const has = user !== undefined || (uid !== undefined && call === "user");
    if (has) misuse(this, `${call}: the user was set before`);
    return has;
  }

  #isId(call: string, id: unknown): id is number {
    const valid = typeof id === "number" && Number.isInteger(id) && id >= 0 && id <= MAX_ID;
    if (!valid) misuse(this, `${call}(${displayValue(id)}): expected an id from 0 to ${MAX_ID}`);
    return valid;
  }

  #isLabel(call: string, label: unknown): label is string {
    const problem = typeof label !== "string" || label === ""
      ? "expected a label"
      : textProblem(label);
    if (problem !== undefined) misuse(this, `${call}: ${problem}`);
    return problem === undefined;
  }
}
