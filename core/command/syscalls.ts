/**
 * The palette: the calls that `step()` takes. They are data, so they are as safe as the built-in
 * steps: no code of the caller runs in the child.
 * Constants are given by name, several as an array, or as numbers.
 * A result below zero fails the step: the program does not run. Wrong arguments throw a
 * {@linkcode UsageError} at once.
 *
 * @example
 * ```ts
 * import { Command, syscalls } from "@vircommand/vircommand";
 *
 * const cmd = new Command("grep", "NoNewPrivs", "/proc/self/status")
 *   .step(syscalls.prctl("PR_SET_NO_NEW_PRIVS", 1), syscalls.setpriority("PRIO_PROCESS", 0, 5));
 * console.log((await cmd.run()).stdout); // NoNewPrivs: 1
 * ```
 *
 * @module
 */

import { displayValue } from "./builder.ts";
import { UsageError } from "../errors.ts";
import { type LimitName, limits, type LimitValue, limitValue } from "../tables/limits.ts";
import {
  CLONE,
  FCNTL,
  IOCTL,
  IOPRIO_CLASS,
  IOPRIO_WHO,
  KEYCTL,
  MS,
  PR,
  PRIO,
  SCHED,
  UMOUNT,
} from "../tables/constants.ts";
import {
  any,
  cpuMask,
  type Flags,
  flags,
  make,
  number,
  optionalText,
  type PaletteArgument,
  type PaletteCall,
  text,
  within,
} from "./palette.ts";
import { web } from "../web.ts";

/** The level's part of an I/O priority; the class is above it. */
const IOPRIO_LEVELS = 0x1fff;

/** The largest int of C. */
const INT_MAX = 0x7fff_ffff;

/** prctl(2): an option and up to four arguments. */
export function prctl(option: Flags<keyof typeof PR>, ...args: PaletteArgument[]): PaletteCall {
  const rest = args.map((each) => any(each, "prctl"));
  return make("prctl", [flags(PR, option, "prctl"), ...rest]);
}

/** unshare(2): leave the namespaces and tables that the flags name. */
export function unshare(what: Flags<keyof typeof CLONE>): PaletteCall {
  return make("unshare", [flags(CLONE, what, "unshare")]);
}

/**
 * setns(2): enter the namespace of a descriptor in the child, such as one that was passed; it
 * is checked to be of the type that the flags name.
 */
export function setns(fd: number, type: Flags<keyof typeof CLONE> = 0): PaletteCall {
  return make("setns", [number(fd, "setns"), flags(CLONE, type, "setns")]);
}

/** mount(2). */
export function mount(
  source: string | null,
  target: string,
  type: string | null = null,
  how: Flags<keyof typeof MS> = 0,
  data: string | null = null,
): PaletteCall {
  return make("mount", [
    optionalText(source, "mount"),
    text(target, "mount"),
    optionalText(type, "mount"),
    flags(MS, how, "mount"),
    optionalText(data, "mount"),
  ], target);
}

/** umount2(2). */
export function umount2(target: string, how: Flags<keyof typeof UMOUNT> = 0): PaletteCall {
  return make("umount2", [text(target, "umount2"), flags(UMOUNT, how, "umount2")], target);
}

/** chroot(2). The binary is looked up before, in the old root: use a path that exists in both. */
export function chroot(path: string): PaletteCall {
  return make("chroot", [text(path, "chroot")], path);
}

/** pivot_root(2). */
export function pivot_root(newRoot: string, putOld: string): PaletteCall {
  const args = [text(newRoot, "pivot_root"), text(putOld, "pivot_root")];
  return make("pivot_root", args, newRoot);
}

/** chdir(2), for use after chroot or pivot_root; otherwise use `cwd()`. */
export function chdir(path: string): PaletteCall {
  return make("chdir", [text(path, "chdir")], path);
}

/** sethostname(2). Needs a new UTS namespace, or it changes the name of this machine. */
export function sethostname(name: string): PaletteCall {
  const display = text(name, "sethostname");
  return make("sethostname", [display, number(new web.TextEncoder().encode(name).length, "")]);
}

/** ioctl(2) on a descriptor in the child. */
export function ioctl(
  fd: number,
  request: Flags<keyof typeof IOCTL>,
  arg: PaletteArgument = 0,
): PaletteCall {
  const what = flags(IOCTL, request, "ioctl");
  return make("ioctl", [number(fd, "ioctl"), what, any(arg, "ioctl")]);
}

/** prlimit64(2) on the child itself, as `limit()` does, but after the change of user. */
export function prlimit64(name: LimitName, soft: LimitValue, hard: LimitValue = soft): PaletteCall {
  const [softValue, hardValue] = [limitValue(soft), limitValue(hard)];
  const known = typeof name === "string" && Object.hasOwn(limits, name);
  if (!known || softValue === undefined || hardValue === undefined) {
    const given = [name, soft, hard].map(displayValue).join(", ");
    throw new UsageError(`prlimit64: ${given}: no such limit`);
  }
  return make("prlimit64", [
    number(0, ""),
    { value: limits[name], text: `RLIMIT_${name.toUpperCase()}` },
    {
      value: new Uint8Array(new BigUint64Array([softValue, hardValue]).buffer),
      text: `{rlim_cur=${soft}, rlim_max=${hard}}`,
    },
    { value: null, text: "NULL" },
  ]);
}

/** setpriority(2): the nice value, -20 to 19; `who` 0 is the child. */
export function setpriority(
  which: Flags<keyof typeof PRIO>,
  who: number,
  nice: number,
): PaletteCall {
  const of = flags(PRIO, which, "setpriority");
  return make("setpriority", [of, number(who, "setpriority"), number(nice, "setpriority")]);
}

/** ioprio_set(2): class and level of input and output. */
export function ioprio_set(
  which: Flags<keyof typeof IOPRIO_WHO>,
  who: number,
  ioClass: Flags<keyof typeof IOPRIO_CLASS>,
  level: number = 4,
): PaletteCall {
  const kind = flags(IOPRIO_CLASS, ioClass, "ioprio_set");
  const low = within(level, 0, IOPRIO_LEVELS, "ioprio_set");
  return make("ioprio_set", [
    flags(IOPRIO_WHO, which, "ioprio_set"),
    number(who, "ioprio_set"),
    {
      value: (Number(kind.value) << 13) | low,
      text: `IOPRIO_PRIO_VALUE(${kind.text}, ${level})`,
    },
  ]);
}

/** sched_setaffinity(2): the processors that the child may run on. */
export function sched_setaffinity(cpus: readonly number[]): PaletteCall {
  if (!Array.isArray(cpus)) {
    throw new UsageError(`sched_setaffinity: expected an array, not ${displayValue(cpus)}`);
  }
  if (cpus.length === 0 || cpus.some((cpu) => !Number.isInteger(cpu) || cpu < 0 || cpu > 8191)) {
    const given = cpus.map(displayValue).join(", ");
    throw new UsageError(`sched_setaffinity: [${given}] are no processors`);
  }
  const mask = cpuMask(cpus);
  return make("sched_setaffinity", [
    number(0, ""),
    number(mask.length, ""),
    { value: mask, text: `[${cpus.join(" ")}]` },
  ]);
}

/** sched_setscheduler(2): policy and real-time priority. */
export function sched_setscheduler(
  policy: Flags<keyof typeof SCHED>,
  priority: number = 0,
): PaletteCall {
  const wanted = within(priority, 0, INT_MAX, "sched_setscheduler");
  return make("sched_setscheduler", [
    number(0, ""),
    flags(SCHED, policy, "sched_setscheduler"),
    { value: new Uint8Array(new Int32Array([wanted]).buffer), text: `[${wanted}]` },
  ]);
}

/** fcntl(2) on a descriptor in the child. */
export function fcntl(
  fd: number,
  command: Flags<keyof typeof FCNTL>,
  arg: PaletteArgument = 0,
): PaletteCall {
  return make("fcntl", [number(fd, "fcntl"), flags(FCNTL, command, "fcntl"), any(arg, "fcntl")]);
}

/** keyctl(2). */
export function keyctl(
  operation: Flags<keyof typeof KEYCTL>,
  ...args: PaletteArgument[]
): PaletteCall {
  const rest = args.map((each) => any(each, "keyctl"));
  return make("keyctl", [flags(KEYCTL, operation, "keyctl"), ...rest]);
}

/**
 * Any call, by its name (those that the library knows) or its number on this architecture, with
 * up to six arguments: numbers, text (NUL-terminated), bytes, or null.
 */
export function raw(call: string | number, ...args: PaletteArgument[]): PaletteCall {
  if (args.length > 6) throw new UsageError("raw: a system call has six arguments at most");
  if (typeof call !== "string" && (!Number.isInteger(call) || call < 0)) {
    throw new UsageError(`raw: ${displayValue(call)} is no system call number`);
  }
  return make(call, args.map((each) => any(each, "raw")));
}
