/**
 * The user database from its files, passwd(5) and group(5), for drivers that cannot use libc. Users
 * from other sources (LDAP, sssd) are missing.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import type { User } from "../../core/system.ts";
import { codeOf } from "../../core/error_code.ts";

/** Returns a user by name or by uid; undefined if there is none. */
export function findUser(key: string | number): User | undefined {
  for (const line of linesOf("/etc/passwd")) {
    const [name = "", , uid = "", gid = ""] = line.split(":");
    if (!/^\d+$/.test(uid) || !/^\d+$/.test(gid)) continue;
    if (name === key || Number(uid) === key) return { name, uid: Number(uid), gid: Number(gid) };
  }
  return undefined;
}

/** Returns the groups that list a user, and `gid`: ascending, without duplicates. */
export function groupsListing(name: string, gid: number): number[] {
  const groups = new Set([gid]);
  for (const line of linesOf("/etc/group")) {
    const [, , number = "", members = ""] = line.split(":");
    if (/^\d+$/.test(number) && members.split(",").includes(name)) groups.add(Number(number));
  }
  return [...groups].sort((a, b) => a - b);
}

function linesOf(path: string): string[] {
  try {
    return readFileSync(path, "utf8").split("\n");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return [];
    throw error;
  }
}
