/**
 * Node's permission model, as flags: what another Node is started with that is to be allowed what
 * this one is.
 *
 * @module
 */

import { isAbsolute, resolve } from "node:path";

/** What is looked at of the process. */
export interface PermittedProcess {
  readonly execArgv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  cwd(): string;
  /** There only if the permission model is on. */
  readonly permission?: { has(scope: string): boolean };
}

const SWITCH = /^--(experimental-)?permission$/;
const ALLOWANCE = /^--allow-[a-z-]+$/;
const WITH_PATH = /^--allow-fs-(read|write)$/;

/** What is allowed without a path, and the flag for it. */
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
 * The flags, from the command line and from NODE_OPTIONS. If the model was switched on elsewhere,
 * as by a configuration file, only what is allowed without exception is asked for.
 */
export function permissionFlags(process: PermittedProcess): string[] {
  const { permission } = process;
  if (permission === undefined) return [];
  const given = [...wordsOf(process.env["NODE_OPTIONS"] ?? ""), ...process.execArgv];
  const flags: string[] = [];
  for (let i = 0; i < given.length; i++) {
    const [name = "", value] = split(given[i] ?? "");
    if (SWITCH.test(name)) flags.push(name);
    if (!ALLOWANCE.test(name)) continue;
    // With a path, that may be the next word.
    const path = WITH_PATH.test(name) ? value ?? given[++i] : value;
    flags.push(path === undefined ? name : `${name}=${absolute(path, process)}`);
  }
  if (flags.some((flag) => SWITCH.test(flag))) return flags;
  const allowed = Object.entries(SCOPES).filter(([scope]) => has(permission, scope));
  return ["--permission", ...allowed.map(([, flag]) => flag)];
}

/** A hook's Node starts in another folder, from which relative paths would count. */
function absolute(path: string, { cwd }: PermittedProcess): string {
  return path === "*" || isAbsolute(path) ? path : resolve(cwd(), path);
}

/** An older Node does not know every scope. */
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

/** The words of NODE_OPTIONS: separated by spaces, which stand for themselves in quotes. */
function wordsOf(options: string): string[] {
  const words = options.match(/(?:"(?:\\.|[^"\\])*"|[^ "])+/g) ?? [];
  return words.map((word) =>
    word.replace(/"((?:\\.|[^"\\])*)"/g, (_, quoted: string) => quoted.replace(/\\(.)/g, "$1"))
  );
}
