/**
 * What the core asks about this process, answered on Linux.
 *
 * @module
 */

import type { CapSets, System } from "../../core/system.ts";
import { accessOf, textOf } from "./files.ts";
import type { Host } from "../spawner/host.ts";
import type { Kernel } from "./kernel.ts";
import { PR } from "../../core/tables/constants.ts";
import { AT_SECURE, E, LINUX_CAPABILITY_VERSION_3 } from "../../core/tables/kernel.ts";
import { limits } from "../../core/tables/limits.ts";
import { groupsOf, userById, userByName } from "./users.ts";

/** The answers for the native driver. */
export function systemOf(kernel: Kernel, host: Host): System {
  let nofile: ReturnType<System["startingNofile"]> | null = null;
  return {
    environment: () => host.environment(),
    variable: (name) => host.variable(name),
    currentFolder: () => host.currentFolder(),
    access: (path) => accessOf(kernel, path),
    elevated: () => isElevated(kernel),
    userByName: (name) => userByName(kernel, name),
    userById: (uid) => userById(kernel, uid),
    groupsOf: (name, gid) => groupsOf(kernel, name, gid),
    capabilities: () => capabilitiesOf(kernel),
    startingNofile: () => nofile === null ? nofile = startingNofile(kernel) : nofile,
  };
}

/** Whether this process has more rights than the one that started it: see posix/elevated.ts. */
export function isElevated(kernel: Kernel): boolean {
  return kernel.libc.getauxval(AT_SECURE) !== 0 ||
    kernel.call("getuid") !== kernel.call("geteuid") ||
    kernel.call("getgid") !== kernel.call("getegid");
}

/**
 * The runtimes raise their soft limit to the hard one when they start, and keep no record of what
 * it was. The process that started us had the same limits when it did, and most such processes
 * (shells, init systems) never change their own: if its hard limit is ours and its soft limit is
 * lower, that is what we were started with. Else it cannot be known, and is not guessed.
 */
function startingNofile(kernel: Kernel): ReturnType<System["startingNofile"]> {
  const own = nofileOf(kernel, 0);
  const parent = kernel.call("getppid");
  if (own === undefined || parent <= 1 || own.soft !== own.hard) return undefined;
  const theirs = nofileOf(kernel, parent);
  if (theirs === undefined || theirs.hard !== own.hard || theirs.soft >= own.soft) return undefined;
  const name = textOf(kernel, `/proc/${parent}/comm`)?.trim() ?? "parent";
  return { ...theirs, note: `as this runtime was started with by ${name} (${parent})` };
}

/** The limit on open files of a process; 0 is this one. */
export function nofileOf(kernel: Kernel, pid: number): { soft: bigint; hard: bigint } | undefined {
  if (kernel.raw("prlimit64", pid, limits.nofile, 0, kernel.scratch) < 0) return undefined;
  return { soft: kernel.view.getBigUint64(0, true), hard: kernel.view.getBigUint64(8, true) };
}

/** capget(2) of the calling thread, which is the one that children inherit from. */
export function setsOf(kernel: Kernel): CapSets {
  const { scratch, view } = kernel;
  const DATA_AT = 8;
  view.setUint32(0, LINUX_CAPABILITY_VERSION_3, true);
  view.setInt32(4, 0, true);
  kernel.call("capget", scratch, scratch + DATA_AT);
  const set = (field: number) =>
    BigInt(view.getUint32(DATA_AT + field * 4, true)) |
    (BigInt(view.getUint32(DATA_AT + 12 + field * 4, true)) << 32n);
  return { effective: set(0), permitted: set(1), inheritable: set(2) };
}

/** The same, and the last capability that the kernel knows. */
export function capabilitiesOf(kernel: Kernel): ReturnType<System["capabilities"]> {
  let last = 0;
  while (last < 63) {
    const result = kernel.raw("prctl", PR.PR_CAPBSET_READ, last + 1, 0, 0, 0);
    // EINVAL: there is no capability of that number. Any other failure is thrown: a set that is to
    // be cleared would keep all capabilities from there on.
    if (result === -E.EINVAL) break;
    if (result < 0) throw kernel.error("prctl", result);
    last++;
  }
  return { ...setsOf(kernel), last };
}
