/**
 * What a command says about the environment, as operations on that of its parent.
 *
 * @module
 */

/** One thing that was said about the environment. */
export type EnvOp =
  | { readonly op: "set"; readonly name: string; readonly value: string }
  | {
    readonly op: "pass";
    readonly name: string;
    readonly default?: string;
    readonly setuid?: "pass" | "block";
    /** Whether it is kept from a program that another user will run. Default: passed. */
    readonly otherUser?: "block";
  }
  | { readonly op: "clear" };

/** What is wrong with the name of a variable, if anything. */
export function envNameProblem(name: string): string | undefined {
  if (name === "") return "the name is empty";
  if (name.includes("=")) return "the name contains =";
  if (name.includes("\0")) return "the name contains a NUL byte";
  if (!name.isWellFormed()) return "the name contains a lone surrogate";
  return undefined;
}

/**
 * The usual surroundings of a program: a fixed locale, so that its output can be understood, and
 * what it needs to find libraries, programs, its user and a place for temporary files.
 *
 * Of a setuid process only USER and LOGNAME are passed: what loads code (LD_*) or decides where
 * files are found is in the hands of whoever started it. Nor does a program that is to run as
 * another user load what this one wants loaded.
 */
export function passCommonOps(): EnvOp[] {
  const block = (name: string) => ({ op: "pass", name, setuid: "block" }) as const;
  return [
    { op: "set", name: "LC_ALL", value: "C" },
    { ...block("LD_PRELOAD"), otherUser: "block" },
    { ...block("LD_LIBRARY_PATH"), otherUser: "block" },
    { op: "pass", name: "PATH", setuid: "block", default: "/bin:/usr/bin" },
    block("HOME"),
    { op: "pass", name: "USER" },
    { op: "pass", name: "LOGNAME" },
    block("TMPDIR"),
  ];
}

/** The base folders of the XDG specification, under `dir`. */
export function xdgOps(dir: string): EnvOp[] {
  return [
    { op: "set", name: "XDG_DATA_HOME", value: `${dir}/.local/share` },
    { op: "set", name: "XDG_CACHE_HOME", value: `${dir}/.cache` },
    { op: "set", name: "XDG_CONFIG_HOME", value: `${dir}/.config` },
  ];
}
