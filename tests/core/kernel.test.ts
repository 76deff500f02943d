import { assert, assertEquals } from "@std/assert";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import * as constants from "../../core/tables/constants.ts";
import * as kernel from "../../core/tables/kernel.ts";
import { limits } from "../../core/tables/limits.ts";
import { signals } from "../../core/tables/signals.ts";
import { noteSkip } from "../support/skips.ts";

/** The kernel's headers that define the constants. */
const HEADERS = [
  "asm-generic/errno-base.h",
  "asm-generic/errno.h",
  "asm-generic/fcntl.h",
  "asm-generic/ioctls.h",
  "asm-generic/mman-common.h",
  "asm-generic/poll.h",
  "asm-generic/resource.h",
  "asm-generic/signal-defs.h",
  "linux/auxvec.h",
  "linux/capability.h",
  "linux/elf.h",
  "linux/eventpoll.h",
  "linux/fcntl.h",
  "linux/fs.h",
  "linux/futex.h",
  "linux/ioprio.h",
  "linux/keyctl.h",
  "linux/memfd.h",
  "linux/mman.h",
  "linux/mount.h",
  "linux/prctl.h",
  "linux/resource.h",
  "linux/sched.h",
  "linux/securebits.h",
  "linux/stat.h",
  "linux/wait.h",
].map((name) => `/usr/include/${name}`);

/** The prefix in C of a group whose names leave it out. */
const PREFIXES: Readonly<Record<string, string>> = {
  O: "O_",
  F: "F_",
  E: "",
  SIG: "SIG_",
  CLONE: "CLONE_",
  P: "P_",
  W: "W",
  POLL: "POLL",
  EPOLL: "EPOLL_",
  PROT: "PROT_",
  MAP: "MAP_",
  MFD: "MFD_",
  FUTEX_OP: "FUTEX_OP_",
  CAP_AMBIENT: "PR_CAP_AMBIENT_",
  PR_SCHED_CORE: "PR_SCHED_CORE_",
  SECBIT: "SECBIT_",
  PT: "PT_",
  PF: "PF_",
};

/** Names that the headers have under another name. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  O_ASYNC: "FASYNC",
  EPOLL_IN: "EPOLLIN",
  LINUX_CAPABILITY_VERSION_3: "_LINUX_CAPABILITY_VERSION_3",
  PR_SET_MCE_KILL: "PR_MCE_KILL",
  SCHED_OTHER: "SCHED_NORMAL",
};

/** What headers older than Linux 6.7 do not have: compared where they do. */
const NEW: ReadonlySet<string> = new Set(["MFD_EXEC", "PR_SET_MDWE", "PR_SET_MEMORY_MERGE"]);

/** What none of these headers defines. */
const UNDEFINED: ReadonlySet<string> = new Set([
  // <unistd.h> and <sys/mount.h> of the C library
  "X_OK",
  "MNT_FORCE",
  "MNT_DETACH",
  "MNT_EXPIRE",
  "UMOUNT_NOFOLLOW",
  // asm/signal.h, which differs between architectures
  "SIGCHLD",
]);

/** The constants of kernel.ts by their names in C. */
function kernelConstants(): [string, number][] {
  return Object.entries<number | Readonly<Record<string, number>>>(kernel).flatMap(
    ([name, value]): [string, number][] => {
      if (typeof value === "number") return [[name, value]];
      const prefix = PREFIXES[name];
      assert(prefix !== undefined, `the prefix of ${name}`);
      return Object.entries(value).map(([key, number]) => [`${prefix}${key}`, number]);
    },
  );
}

/** The macros and enumerators of the headers that are there, as they are written. */
function definitions(): Map<string, string> {
  const found = new Map<string, string>();
  for (const header of HEADERS.filter((each) => existsSync(each))) {
    const text = readFileSync(header, "utf8").replaceAll(/\/\*.*?\*\//gs, "").replaceAll(
      "\\\n",
      "",
    );
    for (const [, name = "", value = ""] of text.matchAll(/^#\s*define\s+(\w+)[ \t]+(.+)$/gm)) {
      if (!found.has(name)) found.set(name, value.trim());
    }
    for (const [, body = ""] of text.matchAll(/\benum\s*\w*\s*\{([^}]*)\}/g)) {
      let next = 0;
      for (const [, name = "", value] of body.matchAll(/^\s*(\w+)(?:\s*=\s*(\w+))?\s*,?\s*$/gm)) {
        if (value !== undefined) next = Number(value);
        if (!found.has(name)) found.set(name, String(next));
        next++;
      }
    }
  }
  return found;
}

/** The value of an expression in C: numbers, names, `|`, `+` and `<<`, `_IOR` and casts. */
function evaluate(expression: string, known: ReadonlyMap<string, string>): number {
  const text = expression.trim();
  const inner = /^\((?!\()([^()]*)\)$/.exec(text)?.[1];
  if (inner !== undefined) return evaluate(inner, known);
  const cast = /^\(?\(\w+\)\s*(\w+)\)?$/.exec(text)?.[1];
  if (cast !== undefined) return evaluate(cast, known);
  const secure = /^\(?issecure_mask\((\w+)\)\)?$/.exec(text)?.[1];
  if (secure !== undefined) return 2 ** evaluate(secure, known);
  const ioctl = /^_IOR\('(.)',\s*(\w+),\s*unsigned int\)$/.exec(text);
  if (ioctl !== null) {
    const [, type = "", number = ""] = ioctl;
    return 2 * 2 ** 30 + 4 * 2 ** 16 + type.charCodeAt(0) * 2 ** 8 + Number(number);
  }
  for (const [operator, apply] of OPERATORS) {
    const at = text.indexOf(operator);
    if (at < 0) continue;
    const [left, right] = [text.slice(0, at), text.slice(at + operator.length)];
    return apply(evaluate(left, known), evaluate(right, known));
  }
  const [, digits] = /^(-?(?:0[xX][0-9a-fA-F]+|\d+))[uUlL]*$/.exec(text) ?? [];
  if (digits === undefined) {
    const named = known.get(text);
    assert(named !== undefined, `${text} is defined`);
    return evaluate(named, known);
  }
  return /^0\d/.test(digits) ? parseInt(digits, 8) : Number(digits);
}

const OPERATORS: readonly [string, (left: number, right: number) => number][] = [
  ["|", (left, right) => left | right],
  ["+", (left, right) => left + right],
  ["<<", (left, right) => left * 2 ** right],
];

const missing = HEADERS.filter((each) => !existsSync(each));
const reason = missing.length > 0 ? `not installed: ${missing.join(", ")}` : undefined;

function compare(sentence: string, all: () => readonly (readonly [string, number])[]): void {
  if (reason !== undefined) noteSkip(`${sentence}: ${reason}`);
  test(sentence, reason === undefined ? {} : { skip: reason }, () => {
    const known = definitions();
    const named = all().filter(([name]) => !UNDEFINED.has(name));
    assert(named.length > 0);
    for (const [name, value] of named) {
      if (NEW.has(name) && !known.has(name)) continue;
      assertEquals(value, evaluate(OTHER_NAMES[name] ?? name, known), name);
    }
  });
}

compare(
  "the constants of the kernel's interface are those of its headers",
  kernelConstants,
);

compare(
  "the constants of the palette are those of the kernel's headers",
  () =>
    Object.values<Readonly<Record<string, number>>>(constants)
      .flatMap((table) => Object.entries(table)),
);

compare(
  "the numbers of the limits are those of the kernel's headers",
  () => Object.entries(limits).map(([name, value]) => [`RLIMIT_${name.toUpperCase()}`, value]),
);

test("the signal of an ended child is that of the table of signals", () => {
  assertEquals(kernel.SIGCHLD, signals.SIGCHLD);
});

test("constants that the palette has as well are the same there", () => {
  const values = Object.values<Readonly<Record<string, number>>>(constants);
  const palette = new Map(values.flatMap((table) => Object.entries(table)));
  const both = kernelConstants().filter(([name]) => palette.has(name));
  assert(both.length > 0);
  for (const [name, value] of both) assertEquals(value, palette.get(name), name);
});
