/**
 * Which user and groups a child gets, and which capabilities, decided before anything is started.
 *
 * @module
 */

import type { System } from "../system.ts";
import { UsageError } from "../errors.ts";
import type { Spec } from "../command/spec.ts";
import type { CapSets } from "../system.ts";
import type { Ids } from "../command/spec.ts";

/** Capabilities to have. */
export interface Caps {
  /** Whether everything else is taken away, also from the bounding set. */
  readonly clear: boolean;
  /** Those that the program has, by number, ascending. */
  readonly allowed: readonly number[];
  /** The highest number that this kernel knows. */
  readonly last: number;
  /** What this process has. */
  readonly current: CapSets;
}

/** What a command says of ids. */
export type Wanted = Pick<Spec, "user" | "uid" | "gid" | "groups">;

/**
 * Completes what the command says: a user brings its primary group and its supplementary groups
 * along, so that nobody keeps root's by accident. Undefined if the command says nothing.
 *
 * @throws {UsageError} The user is unknown, and the command does not say all there is to know.
 */
export function resolveIds(wanted: Wanted, system: System): Ids | undefined {
  const { user, uid, gid, groups } = wanted;
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

/** The capabilities to have; undefined if the command says nothing. */
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
