/**
 * Whether this process was started with more rights than whoever started it has: set-uid, set-gid,
 * or a file with capabilities. Its environment is in the hands of that user then, and decides
 * nothing here: neither the driver nor a folder nor what a hook loads.
 *
 * @module
 */

import { process } from "../process.ts";
import { bytesOfFile, textOfFile } from "./files.ts";
import { isPermitted } from "./permitted.ts";

const AT_SECURE = 23n;

/** It does not change, but a process that has given up rights may not be able to read it any more. */
let secure: boolean | undefined;

/** By AT_SECURE of getauxval(3), and by the ids. */
export function elevated(): boolean {
  secure ??= isSecure(contentOf("/proc/self/auxv", bytesOfFile));
  if (secure === true || idsDiffer()) return true;
  // Unreadable, since this process cannot be dumped: it may have been root's and not be any more.
  return secure === undefined && hasRaisedCapabilities(contentOf("/proc/self/status", textOfFile));
}

/** A variable that decides what this library does, unless whoever has set it has fewer rights. */
export function trusted(
  value: string | undefined,
  isElevated: () => boolean = elevated,
): string | undefined {
  return value === undefined || isElevated() ? undefined : value;
}

function contentOf<T>(path: string, read: (path: string) => T): T | undefined {
  return isPermitted("read", path) ? read(path) : undefined;
}

function isSecure(auxv: Uint8Array | undefined): boolean | undefined {
  if (auxv === undefined) return undefined;
  const view = new DataView(auxv.buffer, auxv.byteOffset, auxv.byteLength);
  for (let at = 0; at + 16 <= auxv.length; at += 16) {
    if (view.getBigUint64(at, true) === AT_SECURE) return view.getBigUint64(at + 8, true) !== 0n;
  }
  return false;
}

function idsDiffer(): boolean {
  try {
    return process.getuid?.() !== process.geteuid?.() || process.getgid?.() !== process.getegid?.();
  } catch {
    // Deno tells its ids only to those with --allow-sys. It is not installed set-uid.
    return false;
  }
}

/** Capabilities that an ordinary user did not inherit come from the file; see capabilities(7). */
function hasRaisedCapabilities(status: string | undefined): boolean {
  if (status === undefined || /^Uid:\s+0\b/m.test(status)) return false;
  const set = (name: string) =>
    BigInt(`0x${new RegExp(`^${name}:\\s*([0-9a-f]+)`, "m").exec(status)?.[1] ?? "0"}`);
  return (set("CapPrm") & ~set("CapAmb")) !== 0n;
}
