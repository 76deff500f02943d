/**
 * The user database through libc, which asks every source that nsswitch.conf(5) names: files, LDAP,
 * sssd. Always in the parent: these functions lock and allocate.
 *
 * @module
 */

import type { User } from "../../core/system.ts";
import { SystemCallError, UnsupportedError } from "../../core/errors.ts";
import { E } from "../../core/tables/kernel.ts";
import type { Kernel } from "./kernel.ts";
import { regions } from "./scratch.ts";
import { decodeUtf8, utf8Encoder } from "../../core/utf8.ts";

/** What is in the scratch memory; the strings are those of an entry, or the groups of a user. */
const AREAS = regions({
  name: 1024,
  passwd: 64,
  result: 8,
  count: 8,
  strings: 60 * 1024,
});
const [PASSWD_AT, RESULT_AT, COUNT_AT, STRINGS_AT] = [
  AREAS.passwd.at,
  AREAS.result.at,
  AREAS.count.at,
  AREAS.strings.at,
];
const STRINGS = AREAS.strings.size;

/** struct passwd of glibc and musl, 64 bit: where the fields stand. */
const PW_NAME = 0;
const PW_UID = 16;
const PW_GID = 20;

/** getpwnam_r(3). */
export function userByName(kernel: Kernel, name: string): User | undefined {
  const { libc, scratch } = kernel;
  const address = nameIn(kernel, name);
  // No user has a name of that length: 32 bytes are the most, see useradd(8).
  if (address === undefined) return undefined;
  const errno = libc.getpwnam_r(
    address,
    scratch + PASSWD_AT,
    scratch + STRINGS_AT,
    STRINGS,
    scratch + RESULT_AT,
  );
  return entry(kernel, "getpwnam_r", errno);
}

/** Puts a name into its region, NUL-terminated: its address; undefined if it does not fit. */
function nameIn({ scratch, bytes }: Kernel, name: string): number | undefined {
  const { at, size } = AREAS.name;
  const area = bytes.subarray(at, at + size - 1);
  const { read, written } = utf8Encoder().encodeInto(name, area);
  if (read < name.length) return undefined;
  bytes[at + written] = 0;
  return scratch + at;
}

/** getpwuid_r(3). */
export function userById(kernel: Kernel, uid: number): User | undefined {
  const { libc, scratch } = kernel;
  const errno = libc.getpwuid_r(
    uid,
    scratch + PASSWD_AT,
    scratch + STRINGS_AT,
    STRINGS,
    scratch + RESULT_AT,
  );
  return entry(kernel, "getpwuid_r", errno);
}

/** What a database that has no such entry returns besides 0, see getpwnam_r(3). */
const NO_ENTRY: ReadonlySet<number> = new Set([E.ENOENT, E.ESRCH]);

function entry({ view, scratch, bytes }: Kernel, call: string, errno: number): User | undefined {
  // If the database cannot be read (EMFILE, EIO), it is not known whether there is such a user.
  if (errno !== 0 && !NO_ENTRY.has(errno)) throw new SystemCallError(call, errno);
  if (view.getBigUint64(RESULT_AT, true) === 0n) return undefined;
  const name = Number(view.getBigUint64(PASSWD_AT + PW_NAME, true)) - scratch;
  return {
    name: decodeUtf8(bytes.slice(name, bytes.indexOf(0, name))),
    uid: view.getUint32(PASSWD_AT + PW_UID, true),
    gid: view.getUint32(PASSWD_AT + PW_GID, true),
  };
}

/** getgrouplist(3): ascending, without duplicates. */
export function groupsOf(kernel: Kernel, name: string, gid: number): number[] {
  const { libc, scratch, view } = kernel;
  const address = nameIn(kernel, name);
  if (address === undefined) return [gid];
  view.setInt32(COUNT_AT, STRINGS / 4, true);
  const result = libc.getgrouplist(
    address,
    gid,
    scratch + STRINGS_AT,
    scratch + COUNT_AT,
  );
  const count = view.getInt32(COUNT_AT, true);
  if (result < 0) {
    throw new UnsupportedError({
      feature: "user",
      driver: "native",
      reason: `${name} is in ${count} groups, which is more than ${STRINGS / 4}`,
      remedy: "set the ids by uid(), gid() and groups()",
    });
  }
  const groups = Array.from({ length: count }, (_, i) => view.getUint32(STRINGS_AT + i * 4, true));
  return [...new Set(groups)].sort((a, b) => a - b);
}
