/**
 * Detection of a process with more rights than the user who started it: set-uid, set-gid, or a file
 * with capabilities. That user controls its environment, which therefore chooses nothing: neither
 * the driver nor a folder nor what a hook loads.
 *
 * @module
 */

import { process } from "../process.ts";
import { bytesOfFile, textOfFile } from "./files.ts";
import { isPermitted } from "./permitted.ts";

const AT_SECURE = 23n;

/** AT_SECURE. It does not change, but a process that gives up rights may lose access to it. */
let secure: boolean | undefined;

/** Reports whether this process is one, by AT_SECURE of getauxval(3) and by its ids. */
export function elevated(): boolean {
  secure ??= isSecure(contentOf("/proc/self/auxv", bytesOfFile));
  if (secure === true || idsDiffer()) return true;
  // A process that is not dumpable cannot read it, such as one that has given up the rights of
  // root.
  return secure === undefined && hasRaisedCapabilities(contentOf("/proc/self/status", textOfFile));
}

/** Returns a variable that configures this library; undefined if the process is elevated. */
export function trusted(
  value: string | undefined,
  isElevated: () => boolean = elevated,
): string | undefined {
  return value === undefined || isElevated() ? undefined : value;
}

function contentOf<T>(path: string, read: (path: string) => T): T | undefined {
  return isPermitted("read", path) ? read(path) : undefined;
}

/** Whether the auxiliary vector has AT_SECURE; undefined if it cannot be read. */
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
    // Deno reports ids only with --allow-sys. It is not installed set-uid.
    return false;
  }
}

/** Whether a user other than root has capabilities that come from the file, see capabilities(7). */
function hasRaisedCapabilities(status: string | undefined): boolean {
  if (status === undefined || /^Uid:\s+0\b/m.test(status)) return false;
  const set = (name: string) =>
    BigInt(`0x${new RegExp(`^${name}:\\s*([0-9a-f]+)`, "m").exec(status)?.[1] ?? "0"}`);
  return (set("CapPrm") & ~set("CapAmb")) !== 0n;
}
