/**
 * Node's permissions as flags, to start another Node with those of this process.
 *
 * @module
 */

import { isAbsolute, resolve } from "node:path";

/** The parts of `process` that are read. */
export interface PermittedProcess {
  readonly execArgv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  cwd(): string;
  /** Undefined unless permissions are enabled. */
  readonly permission?: { has(scope: string): boolean };
}

const ENABLING_FLAG = /^--(experimental-)?permission$/;
const PERMISSION_FLAG = /^--allow-[a-z-]+$/;
const FLAG_WITH_PATH = /^--allow-fs-(read|write)$/;

/** The scopes of `permission.has()`, and the flag that grants each of them. */
const SCOPES: Readonly<Record<string, string>> = {
  "fs.read": "--allow-fs-read=*",
  "fs.write": "--allow-fs-write=*",
  addon: "--allow-addons",
  child: "--allow-child-process",
  ffi: "--allow-ffi",
  inspector: "--allow-inspector",
  net: "--allow-net",
  wasi: "--allow-wasi",
  worker: "--allow-worker",
};

/**
 * Returns the flags, from the command line and from NODE_OPTIONS. If permissions were enabled
 * elsewhere, such as by a configuration file, only those that apply to all paths are included.
 */
export function permissionFlags(process: PermittedProcess): string[] {
  const { permission } = process;
  if (permission === undefined) return [];
  const given = [...wordsOf(process.env["NODE_OPTIONS"] ?? ""), ...process.execArgv];
  const flags: string[] = [];
  for (let i = 0; i < given.length; i++) {
    const [name = "", value] = split(given[i] ?? "");
    if (ENABLING_FLAG.test(name)) flags.push(name);
    if (!PERMISSION_FLAG.test(name)) continue;
    // The path may be the next word.
    const path = FLAG_WITH_PATH.test(name) ? value ?? given[++i] : value;
    flags.push(path === undefined ? name : `${name}=${absolute(path, process)}`);
  }
  if (flags.some((flag) => ENABLING_FLAG.test(flag))) return flags;
  const allowed = Object.entries(SCOPES).filter(([scope]) => has(permission, scope));
  return ["--permission", ...allowed.map(([, flag]) => flag)];
}

/** Returns an absolute path: Node starts in another folder for a hook. */
function absolute(path: string, { cwd }: PermittedProcess): string {
  return path === "*" || isAbsolute(path) ? path : resolve(cwd(), path);
}

/** Whether a scope is granted. An older Node throws for some of the scopes. */
function has(permission: NonNullable<PermittedProcess["permission"]>, scope: string): boolean {
  try {
    return permission.has(scope);
  } catch {
    return false;
  }
}

function split(word: string): [name: string, value?: string] {
  const at = word.indexOf("=");
  return at < 0 ? [word] : [word.slice(0, at), word.slice(at + 1)];
}

/** Returns the words of NODE_OPTIONS: separated by spaces, except in quotes. */
function wordsOf(options: string): string[] {
  const words = options.match(/(?:"(?:\\.|[^"\\])*"|[^ "])+/g) ?? [];
  return words.map((word) =>
    word.replace(/"((?:\\.|[^"\\])*)"/g, (_, quoted: string) => quoted.replace(/\\(.)/g, "$1"))
  );
}
