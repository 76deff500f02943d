/**
 * Recipes: random commands as plain data, so that the same one can be run on every runtime and
 * driver, and be made smaller while it still shows a difference.
 *
 * @module
 */

import { random } from "../support/random.ts";

/** An input or output by its form. */
export type Form =
  | { readonly to: "null" | "inherit" | "capture" | "pipe" | "stdout" }
  /** A file of the folder, by its name. */
  | { readonly file: string; readonly append?: boolean; readonly mode?: number }
  /** One of the descriptors that the fuzzer has open, or a number that is not open. */
  | { readonly fd: number }
  /** Input: that many bytes. */
  | { readonly bytes: number };

/** What a command runs. */
export type What =
  | "report"
  | "exit"
  | "signal"
  | "sleep"
  | "missing"
  | "missing name"
  | "folder"
  | "no program"
  | "no interpreter"
  | "not executable"
  | "flood";

/** A command. Everything but what it runs may be missing. */
export interface Recipe {
  readonly what: What;
  readonly verb: "run" | "runSync" | "spawn";
  readonly args?: readonly string[];
  readonly arg0?: string;
  readonly env?: readonly (readonly [op: string, ...values: string[]])[];
  readonly cwd?: string;
  readonly umask?: number;
  readonly limits?: readonly (readonly [name: string, soft: number, hard: number])[];
  readonly stdin?: Form;
  readonly stdout?: Form;
  readonly stderr?: Form;
  readonly passed?: readonly { readonly fd: number; readonly as?: number }[];
  readonly buffers?: readonly number[];
  readonly group?: "session" | "group";
  /** Identity, of which only root can ask for all. */
  readonly identity?: Readonly<{
    uid?: number;
    gid?: number;
    groups?: readonly number[];
    user?: string;
  }>;
  readonly caps?: readonly string[];
  readonly steps?: readonly (readonly [name: string, ...args: (string | number)[]])[];
  readonly handshake?: boolean;
  readonly nonblocking?: boolean;
  readonly daemon?: "daemon" | "pid file";
  readonly options?: Readonly<Record<string, unknown>>;
}

/** How many descriptors of files the fuzzer has open. */
export const FILES = 4;

/** Stands for a descriptor that is not open. */
export const CLOSED = 900;

/** Stand for the standard streams of the fuzzer itself, from here on. */
export const STANDARD = 800;

/** A recipe by its seed. */
export function recipeOf(seed: string, root: boolean): Recipe {
  const next = random(seed);
  const below = (n: number) => Math.floor(next() * n);
  const chance = (p: number) => next() < p;
  const pick = <T>(some: readonly T[]): T => some[below(some.length)] as T;
  const some = <T>(most: number, make: () => T): T[] =>
    Array.from({ length: below(most + 1) }, make);
  const recipe: { -readonly [K in keyof Recipe]: Recipe[K] } = {
    what: chance(0.8) ? "report" : pick<What>([
      "exit",
      "signal",
      "sleep",
      "missing",
      "missing name",
      "folder",
      "no program",
      "no interpreter",
      "not executable",
      "flood",
    ]),
    verb: pick(["run", "run", "runSync", "spawn"]),
  };
  if (chance(0.5)) recipe.args = some(4, () => pick(TEXTS));
  if (chance(0.1)) recipe.arg0 = pick(["zero", "-sh", "", "ä b"]);
  if (chance(0.5)) {
    recipe.env = some(5, (): [string, ...string[]] => {
      const name = pick(["A", "B", "FUZZ", "FUZZ_EMPTY", "NO_SUCH", "LANG", "PATH"]);
      switch (below(6)) {
        case 0:
          return ["pass", name];
        case 1:
          return ["passOr", name, pick(TEXTS)];
        case 2:
          return ["string", `${name}=${pick(VALUES)}`];
        case 3:
          return pick<[string]>([["common"], ["clear"]]);
        case 4:
          return ["xdg", "/x y"];
        default:
          return ["set", name === "PATH" ? "C" : name, pick(VALUES)];
      }
    });
  }
  if (chance(0.25)) {
    recipe.cwd = pick(["/", ".", "sub", "sub/../sub", "no such folder", "a file", "closed"]);
  }
  if (chance(0.3)) recipe.umask = pick([0, 0o22, 0o77, 0o777, 0o27]);
  if (chance(0.3)) {
    recipe.limits = some(3, (): [string, number, number] => {
      const name = pick([
        "core",
        "nofile",
        "stack",
        "nproc",
        "memlock",
        "cpu",
        "data",
        "rtprio",
        "nice",
      ]);
      const high = pick([0, 7, 64, 1000, 2 ** 20, 2 ** 31, 2 ** 40, -1]);
      const soft = pick([high, high, 0, 64, -1]);
      // Less would keep the program from starting, in ways that are the dynamic linker's.
      const least = { nofile: 64, stack: 2 ** 20, data: 2 ** 31, cpu: 7, nproc: 2000 }[name] ?? 0;
      const bound = (n: number) => n < 0 ? n : Math.max(n, least);
      return [name, bound(soft), bound(high)];
    });
  }
  const fd = (): { fd: number } => ({ fd: pick([0, 1, 2, 3, 0, 1, 2, 3, CLOSED]) });
  if (chance(0.5)) {
    recipe.stdin = pick<() => Form>([
      () => ({ to: "null" }),
      () => ({ to: "inherit" }),
      () => ({ bytes: pick([0, 1, 5, 4096, 70_000, 300_000]) }),
      () => ({ file: pick(["in", "in", "missing", "sub"]) }),
      fd,
    ])();
  }
  const output = (): Form =>
    pick<() => Form>([
      () => ({ to: "null" }),
      () => ({ to: "inherit" }),
      () => ({ to: "capture" }),
      () => ({ file: pick(["out", "out", "other", "no folder/out", "sub"]) }),
      () => ({ file: "out", append: true, mode: pick([0o600, 0o666, 0o640]) }),
      fd,
    ])();
  if (chance(0.4)) recipe.stdout = output();
  if (chance(0.4)) recipe.stderr = chance(0.3) ? { to: "stdout" } : output();
  if (recipe.verb === "spawn" && chance(0.5)) recipe.stdout = { to: "pipe" };
  if (chance(0.35)) {
    recipe.passed = some(4, () => {
      const from = pick([0, 1, 2, 3, 0, 1, 2, 3, STANDARD, STANDARD + 1, STANDARD + 2, CLOSED]);
      return chance(0.8)
        ? { fd: from, as: pick([3, 4, 5, 6, 7, 9, 12, 40, 41, 300]) }
        : { fd: from };
    });
  }
  if (chance(0.2)) recipe.buffers = some(3, () => pick([0, 3, 5000, 60_000, 100_000]));
  if (chance(0.15)) recipe.group = pick(["session", "group"]);
  if (chance(0.2)) {
    recipe.identity = root
      ? pick<Recipe["identity"] & object>([
        { uid: 65534 },
        { uid: 65534, gid: 1 },
        { uid: 0 },
        { gid: 7 },
        { uid: 1234, gid: 1234 },
        { uid: 1234 },
        { uid: 1234, gid: 1234, groups: [5, 4, 1000] },
        { groups: [] },
        { user: "nobody" },
        { user: "no such user" },
      ])
      : pick<Recipe["identity"] & object>([{ uid: 0 }, { gid: 0 }, { user: "nobody" }, {
        groups: [],
      }]);
  }
  if (chance(0.12)) recipe.caps = some(3, () => pick(["net_raw", "chown", "setuid", "sys_admin"]));
  if (chance(0.2)) {
    recipe.steps = some(2, () =>
      pick<NonNullable<Recipe["steps"]>[number]>([
        ["prctl", "PR_SET_NO_NEW_PRIVS", 1],
        ["prctl", "PR_SET_PDEATHSIG", 9],
        ["prctl", "PR_SET_THP_DISABLE", 1],
        ["prctl", "PR_SET_TIMERSLACK", 70_000],
        ["setpriority", "PRIO_PROCESS", 0, 7],
        ["setpriority", "PRIO_PROCESS", 0, -7],
        ["chroot", "/no such folder"],
        ["chdir", "/etc"],
        ["chdir", "no such folder"],
        ["umask", 0o55],
      ]));
  }
  // The time limit of what sleeps could end it at its handshake.
  if (recipe.verb === "spawn" && chance(0.2) && recipe.what !== "sleep") recipe.handshake = true;
  if (recipe.verb === "spawn" && chance(0.2)) recipe.stdin = { to: "pipe" };
  if (chance(0.05)) recipe.nonblocking = true;
  if (recipe.verb !== "spawn" && recipe.what !== "sleep" && chance(0.1)) {
    recipe.daemon = pick(["daemon", "pid file"]);
    // It may be ended by the end of its parent, which is what makes it a daemon.
    if (recipe.steps?.some(([, option]) => option === "PR_SET_PDEATHSIG")) delete recipe.steps;
    // Most others cannot be had with it.
    if (chance(0.8)) {
      for (const key of ["cwd", "stdin", "stdout", "stderr", "group"] as const) delete recipe[key];
      if (chance(0.5)) recipe.stdout = { file: "out" };
    }
  }
  if (chance(0.3)) {
    // How far a program comes that is ended for its output is a matter of time.
    recipe.options = recipe.what === "flood"
      ? { maxBuffer: 50_000 }
      : pick<Record<string, unknown>>([{ check: false }, { okCodes: [0, 3] }]);
  }
  return recipe;
}

const TEXTS = [
  "a",
  "",
  "two words",
  "ä",
  "漢字",
  "🦀".repeat(13),
  "x".repeat(48),
  "é".repeat(49),
  "y".repeat(5000),
  "-e",
  "'\"$(x)\\",
  "line\nbreak\ttab\u001b[1m",
  "\u{10ffff}\u0001",
];

const VALUES = ["", "1", "a b", "ü", "=", "z".repeat(300), "last\n"];
