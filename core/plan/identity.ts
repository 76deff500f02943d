/**
 * The ids and capabilities of a child. They are resolved before anything is started.
 *
 * @module
 */

import type { System } from "../system.ts";
import { UsageError } from "../errors.ts";
import type { Spec } from "../command/spec.ts";
import type { CapSets } from "../system.ts";
import type { Ids } from "../command/spec.ts";

/** The capabilities of a program. */
export interface Caps {
  /** Whether all others are dropped, also from the bounding set. */
  readonly clear: boolean;
  /** The allowed ones by number, ascending. */
  readonly allowed: readonly number[];
  /** The highest number that this kernel knows. */
  readonly last: number;
  /** The capabilities of this process. */
  readonly current: CapSets;
}

/** The ids of a command, before they are resolved. */
export type RequestedIds = Pick<Spec, "user" | "uid" | "gid" | "groups">;

/**
 * Resolves the ids of a command. A user gets its primary group and its supplementary groups, so that
 * no program keeps those of root by accident. Returns undefined if the command sets no id.
 *
 * @throws {UsageError} The user is unknown, and a group id is missing.
 */
export function resolveIds(requested: RequestedIds, system: System): Ids | undefined {
  const { user, uid, gid, groups } = requested;
  if (user === undefined && uid === undefined && gid === undefined) {
    return groups === undefined ? undefined : { uid: undefined, gid: undefined, groups };
  }
  if (user === undefined && uid === undefined) {
    return { uid: undefined, gid, groups: groups ?? (gid === undefined ? undefined : [gid]) };
  }
  const entry = user === undefined ? system.userById(uid ?? 0) : system.userByName(user);
  if (entry === undefined) {
    if (user !== undefined) throw new UsageError(`user(${JSON.stringify(user)}): no such user`);
    if (gid === undefined) {
      throw new UsageError(`uid(${uid}): no such user in the user database: say gid() as well`);
    }
    return { uid, gid, groups: groups ?? [gid] };
  }
  const primary = gid ?? entry.gid;
  return {
    uid: entry.uid,
    gid: primary,
    groups: groups ?? withGroup(system.groupsOf(entry.name, entry.gid), primary),
  };
}

function withGroup(groups: readonly number[], gid: number): number[] {
  return groups.includes(gid) ? [...groups] : [...groups, gid];
}

/** Returns the capabilities of the program; undefined if the command does not change them. */
export function resolveCaps(
  spec: Pick<Spec, "clearCaps" | "allowedCaps">,
  system: System,
): Caps | undefined {
  const { clearCaps: clear, allowedCaps } = spec;
  if (!clear && allowedCaps.length === 0) return undefined;
  const { last, ...current } = system.capabilities();
  const allowed = [...new Set(allowedCaps)].sort((a, b) => a - b);
  const unknown = allowed.find((cap) => cap > last);
  if (unknown !== undefined) {
    throw new UsageError(`allowCap(${unknown}): this kernel knows capabilities up to ${last}`);
  }
  return { clear, allowed, last, current };
}
