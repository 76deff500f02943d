/**
 * From a failed call to a SpawnError that names the file it is about.
 *
 * @module
 */

import { errnoName } from "../../core/tables/errno.ts";
import { PT } from "../../core/tables/kernel.ts";
import { SpawnError } from "../../core/errors.ts";
import type { Access } from "../../core/system.ts";
import { type Call, maskedDisplayOf } from "./call.ts";
import { decodeUtf8 } from "../../core/utf8.ts";

/** What can be asked about files to find out which of them a failure is about. */
export interface Files {
  access(path: string): Access;
  /** The first bytes of a file, if it can be read. */
  head(path: string): Uint8Array | undefined;
}

/** The error for a call that failed; `hint` says more than its errno. */
export function spawnError(
  call: Call,
  result: number,
  command: string,
  files: Files,
  hint: string | undefined = call.hint,
): SpawnError {
  const errno = call.errno ?? result;
  const { step, path } = call;
  const syscall = typeof call.name === "number" ? `syscall_${call.name}` : call.name;
  const code = errnoName(errno);
  const detail = hint === undefined ? undefined : `${code}: ${hint}${reasonOf(call, code)}`;
  const cause = call.name === "execve" && path !== undefined
    ? execFailure(path, code, files)
    : { path, detail };
  return new SpawnError({ step, syscall, args: maskedDisplayOf(call), errno, command, ...cause });
}

/** What follows the hint of a failure. */
export function reasonOf({ reasons }: Call, code: string): string {
  const reason = reasons?.get(code);
  return reason === undefined ? "" : `: ${reason}`;
}

/**
 * Which file an exec has failed for, and why. execve(2) returns ENOENT for a missing file and for a
 * missing interpreter of a file that exists, and EACCES likewise: the first bytes of the file tell
 * the two apart.
 */
function execFailure(
  path: string,
  code: string,
  files: Files,
): { path: string; detail: string | undefined } {
  const script = (code === "ENOENT" || code === "EACCES" || code === "ELOOP")
    ? interpreterOf(files.head(path))
    : undefined;
  if (script !== undefined && files.access(path) === "ok" && files.access(script) !== "ok") {
    return { path: script, detail: `${code}: the interpreter of ${path} cannot be executed` };
  }
  if (code === "ENOEXEC") {
    return { path, detail: "ENOEXEC: neither a program nor a script that begins with #!" };
  }
  if (code === "E2BIG") {
    return { path, detail: "E2BIG: arguments and environment are too long for the kernel" };
  }
  if (code === "ETXTBSY") return { path, detail: "ETXTBSY: somebody has the file open to write" };
  return { path, detail: undefined };
}

/**
 * Whether execve(2) may know what to do with a file that begins so: ELF, a script, or what has bytes
 * that no text has, which binfmt_misc may know.
 */
export function isFormatKnown(prefix: Uint8Array | undefined): boolean {
  return prefix === undefined || interpreterOf(prefix) !== undefined || prefix.includes(0);
}

/** The interpreter that a script (`#!`) or an ELF file (PT_INTERP) names, if it names one. */
export function interpreterOf(prefix: Uint8Array | undefined): string | undefined {
  if (prefix === undefined) return undefined;
  const text = (from: number, to: number) => decodeUtf8(prefix.subarray(from, to));
  if (text(0, 2) === "#!") {
    // execve(2): white space may follow #!, the name ends at white space.
    return /^#![ \t]*([^ \t\n]+)/.exec(text(0, 256))?.[1];
  }
  if (text(0, 4) !== "\x7fELF" || prefix.length < 64 || prefix[4] !== 2) return undefined;
  const view = new DataView(prefix.buffer, prefix.byteOffset, prefix.byteLength);
  const table = Number(view.getBigUint64(32, true));
  const size = view.getUint16(54, true);
  const count = view.getUint16(56, true);
  for (let i = 0; i < count; i++) {
    const at = table + i * size;
    if (at + 40 > prefix.length) return undefined;
    if (view.getUint32(at, true) !== PT.INTERP) continue;
    const from = Number(view.getBigUint64(at + 8, true));
    const length = Number(view.getBigUint64(at + 32, true));
    return text(from, from + length - 1);
  }
  return undefined;
}
