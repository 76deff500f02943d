/**
 * The environment of a command, as operations on that of the parent.
 *
 * @module
 */

/** One operation. */
export type EnvOp =
  | { readonly op: "set"; readonly name: string; readonly value: string }
  | {
    readonly op: "pass";
    readonly name: string;
    readonly default?: string;
    readonly setuid?: "pass" | "block";
    /** `block`: not passed to a program that runs as another user. Default: passed. */
    readonly otherUser?: "block";
  }
  | { readonly op: "clear" };

/** Reports what is wrong with the name of a variable; undefined if nothing is. */
export function envNameProblem(name: string): string | undefined {
  if (name === "") return "the name is empty";
  if (name.includes("=")) return "the name contains =";
  if (name.includes("\0")) return "the name contains a NUL byte";
  if (!name.isWellFormed()) return "the name contains a lone surrogate";
  return undefined;
}

/**
 * The usual environment of a program: a fixed locale, so that its output can be parsed, and what it
 * needs to find libraries, programs, its user and a folder for temporary files.
 *
 * A setuid process passes only USER and LOGNAME: its caller controls the variables that load code
 * (LD_*) or determine where files are found. LD_* are not passed to a program that runs as another
 * user either.
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

/** Sets the base folders of the XDG specification, under `dir`. */
export function xdgOps(dir: string): EnvOp[] {
  return [
    { op: "set", name: "XDG_DATA_HOME", value: `${dir}/.local/share` },
    { op: "set", name: "XDG_CACHE_HOME", value: `${dir}/.cache` },
    { op: "set", name: "XDG_CONFIG_HOME", value: `${dir}/.config` },
  ];
}
