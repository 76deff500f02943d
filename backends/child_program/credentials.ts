/**
 * Credentials over an exec. A child that changes them leaves the shared memory first, by executing
 * a program file without capabilities of its own; and execve(2) changes credentials, see
 * capabilities(7), "Transformation of capabilities during execve()": permitted capabilities that
 * are not ambient are lost, root regains what it had given up, and the saved ids become the
 * effective ones. The steps of the command must not see any of that.
 *
 * @module
 */

import { SECBIT } from "../../core/tables/kernel.ts";
import type { CapSets } from "../../core/system.ts";
import type { Call } from "./call.ts";
import { capset, changeAmbient } from "./lower_identity.ts";

/** Real, effective and saved id. */
export type Triple = readonly [real: number, effective: number, saved: number];

/** The credentials of a thread. */
export interface Credentials extends CapSets {
  readonly uids: Triple;
  readonly gids: Triple;
  readonly bounding: bigint;
  readonly ambient: bigint;
  /** See capabilities(7), "The securebits flags". */
  readonly securebits: number;
}

/** How credentials are kept over an exec. */
export type Preservation =
  /** The exec itself keeps them. */
  | { readonly kind: "none" }
  /** With these calls before and after it. */
  | { readonly kind: "restore"; readonly before: readonly Call[]; readonly after: readonly Call[] }
  /** They cannot be kept. */
  | { readonly kind: "impossible"; readonly reason: string };

/** Credentials after execve(2) of a file that has neither set-id bits nor capabilities. */
export function afterExec(before: Credentials): Credentials {
  const { uids, gids, inheritable, bounding } = before;
  const [uid, euid] = uids;
  const [gid, egid] = gids;
  // A process with unequal ids counts as set-id, which cancels the ambient set.
  const ambient = uid === euid && gid === egid ? before.ambient : 0n;
  const noRoot = (before.securebits & SECBIT.NOROOT) !== 0;
  const asRoot = !noRoot && (uid === 0 || euid === 0);
  const permitted = (asRoot ? inheritable | bounding : 0n) | ambient;
  return {
    ...before,
    uids: [uid, euid, euid],
    gids: [gid, egid, egid],
    permitted,
    effective: !noRoot && euid === 0 ? permitted : ambient,
    ambient,
  };
}

/** How to keep credentials over an exec. */
export function preserve(now: Credentials): Preservation {
  const [uid, euid, suid] = now.uids;
  const [gid, egid, sgid] = now.gids;
  // Such a process counts as set-id; what it keeps depends on no_new_privs and tracers as well.
  if (uid !== euid || gid !== egid) {
    return { kind: "impossible", reason: "the real and effective ids differ" };
  }
  if (suid !== euid || sgid !== egid) {
    return { kind: "impossible", reason: "the saved ids are not the effective ones" };
  }
  const then = afterExec(now);
  if (isSame(now, then)) return { kind: "none" };
  const lost = now.permitted & ~then.permitted;
  if (lost === 0n) return { kind: "restore", before: [], after: restoring(now, then) };
  const raised = { ...now, inheritable: now.inheritable | now.permitted };
  // capset(2) adds nothing to the inheritable set that is in neither it nor the bounding set.
  if ((raised.inheritable & ~(now.inheritable | now.bounding)) !== 0n) {
    return { kind: "impossible", reason: "a permitted capability is not in the bounding set" };
  }
  if ((now.securebits & SECBIT.NO_CAP_AMBIENT_RAISE) !== 0) {
    return { kind: "impossible", reason: "SECBIT_NO_CAP_AMBIENT_RAISE is set" };
  }
  const ambient = now.permitted;
  const before = [
    capset("clone", raised),
    ...members(ambient & ~now.ambient).map((cap) => changeAmbient("clone", "RAISE", cap)),
  ];
  const arrived = afterExec({ ...raised, ambient });
  return { kind: "restore", before, after: restoring(now, arrived) };
}

/** The calls that turn the credentials after an exec into those before it. */
export function restoring(wanted: Credentials, current: Credentials): Call[] {
  // What leaves the permitted or the inheritable set leaves the ambient one by itself.
  const ambient = current.ambient & wanted.permitted & wanted.inheritable;
  return [
    capset("clone", wanted),
    ...members(ambient & ~wanted.ambient).map((cap) => changeAmbient("clone", "LOWER", cap)),
  ];
}

function isSame(some: Credentials, others: Credentials): boolean {
  return some.permitted === others.permitted && some.effective === others.effective &&
    some.inheritable === others.inheritable && some.ambient === others.ambient;
}

function members(set: bigint): number[] {
  const all: number[] = [];
  for (let cap = 0; cap < 64; cap++) if ((set >> BigInt(cap)) & 1n) all.push(cap);
  return all;
}

/** The credentials in the text of /proc/<pid>/status, which does not have the securebits. */
export function parseCredentials(status: string, securebits: number): Credentials {
  const field = (name: string): string => {
    const found = new RegExp(`^${name}:\\s*(.+)$`, "m").exec(status)?.[1];
    if (found === undefined) throw new Error(`/proc/thread-self/status without ${name}`);
    return found;
  };
  const set = (name: string) => BigInt(`0x${field(name)}`);
  const ids = (name: string): Triple => {
    const [real = NaN, effective = NaN, saved = NaN] = field(name).split(/\s+/).map(Number);
    return [real, effective, saved];
  };
  return {
    uids: ids("Uid"),
    gids: ids("Gid"),
    permitted: set("CapPrm"),
    effective: set("CapEff"),
    inheritable: set("CapInh"),
    bounding: set("CapBnd"),
    ambient: set("CapAmb"),
    securebits,
  };
}
