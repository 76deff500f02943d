/**
 * The user database through libc, so that every source counts that nsswitch.conf(5) names: files,
 * LDAP, sssd. In the parent, always: these functions lock and allocate.
 *
 * @module
 */

import type { User } from "../../core/backend.ts";
import { SystemCallError, UnsupportedError } from "../../core/errors.ts";
import type { Kernel } from "./kernel.ts";

/** Where in the scratch memory what goes: the name, struct passwd, the result, the strings. */
const NAME_AT = 0;
const PASSWD_AT = 1024;
const RESULT_AT = 1088;
const COUNT_AT = 1096;
const STRINGS_AT = 2048;
const STRINGS = 60 * 1024;

/** struct passwd of glibc and musl, 64 bit: where the fields stand. */
const PW_NAME = 0;
const PW_UID = 16;
const PW_GID = 20;

/** getpwnam_r(3). */
export function userByName(kernel: Kernel, name: string): User | undefined {
  const { libc, scratch } = kernel;
  const { written } = new TextEncoder().encodeInto(name, kernel.bytes.subarray(NAME_AT, PASSWD_AT));
  kernel.bytes[NAME_AT + written] = 0;
  const errno = libc.getpwnam_r(
    scratch + NAME_AT,
    scratch + PASSWD_AT,
    scratch + STRINGS_AT,
    STRINGS,
    scratch + RESULT_AT,
  );
  return entry(kernel, "getpwnam_r", errno);
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

/** What a database that has no such entry returns besides 0, see getpwnam_r(3): ENOENT, ESRCH. */
const NO_ENTRY: ReadonlySet<number> = new Set([2, 3]);

function entry({ view, scratch, bytes }: Kernel, call: string, errno: number): User | undefined {
  // A database that cannot be read (EMFILE, EIO) does not say that there is no such user.
  if (errno !== 0 && !NO_ENTRY.has(errno)) throw new SystemCallError(call, errno);
  if (view.getBigUint64(RESULT_AT, true) === 0n) return undefined;
  const name = Number(view.getBigUint64(PASSWD_AT + PW_NAME, true)) - scratch;
  return {
    name: new TextDecoder().decode(bytes.slice(name, bytes.indexOf(0, name))),
    uid: view.getUint32(PASSWD_AT + PW_UID, true),
    gid: view.getUint32(PASSWD_AT + PW_GID, true),
  };
}

/** getgrouplist(3): ascending, without duplicates. */
export function groupsOf(kernel: Kernel, name: string, gid: number): number[] {
  const { libc, scratch, view } = kernel;
  const { written } = new TextEncoder().encodeInto(name, kernel.bytes.subarray(NAME_AT, PASSWD_AT));
  kernel.bytes[NAME_AT + written] = 0;
  view.setInt32(COUNT_AT, STRINGS / 4, true);
  const result = libc.getgrouplist(
    scratch + NAME_AT,
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
