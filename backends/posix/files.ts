/**
 * Looking at files with `node:fs`, which all three runtimes have. On Deno that needs leave to
 * read: what may not be looked at is left to the system to judge, later.
 *
 * @module
 */

import {
  accessSync,
  closeSync,
  constants,
  openSync,
  readFileSync,
  readSync,
  statSync,
} from "node:fs";
import { shielded } from "../../core/own.ts";
import type { Access } from "../../core/system.ts";
import { codeOf } from "../../core/error_code.ts";

const HEAD = 4096;

/**
 * Closes a descriptor of ours. Linux frees the number whatever close(2) returns, such as the EIO of
 * a file system that has gone away; thrown, it would only keep what comes next from being closed.
 */
export function closeFd(fd: number): void {
  try {
    closeSync(fd);
  } catch (error) {
    // Not ours, or not any more: a mistake.
    if (fileErrorCode(error) === "EBADF") throw error;
  }
}

/** Whether a path is a regular file that this process may execute. */
export function accessTo(path: string): Access {
  // Node makes objects by setting their properties, which an inherited one can forbid.
  return shielded(() => judgedAccess(path));
}

function judgedAccess(path: string): Access {
  try {
    accessSync(path, constants.X_OK);
  } catch (error) {
    const code = fileErrorCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return code;
    // What stands in a folder that cannot be searched is not there, as far as this process can see.
    if (code === "EACCES") return exists(path) ? "EACCES" : "ENOENT";
    return isRefusedByRuntime(error) ? "unknown" : code;
  }
  try {
    // Folders have x bits too.
    return statSync(path).isFile() ? "ok" : "EACCES";
  } catch (error) {
    return isRefusedByRuntime(error) ? "unknown" : fileErrorCode(error);
  }
}

/** The first bytes of a file, or undefined if it cannot be read. */
export function headOfFile(path: string): Uint8Array | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch {
    return undefined;
  }
  try {
    const head = new Uint8Array(HEAD);
    return head.subarray(0, readSync(fd, head));
  } catch {
    return undefined;
  } finally {
    closeFd(fd);
  }
}

/** All of a small file, or undefined if it cannot be read. */
export function textOfFile(path: string): string | undefined {
  return bytesOfFile(path)?.toString("utf8");
}

/** The same, as bytes. */
export function bytesOfFile(
  path: string,
): ReturnType<typeof readFileSync> & Uint8Array | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

/**
 * Opens a file at a number above the standard streams, as `open` or as open(2) does. If this process
 * has closed one of those, its number is the next to be given out, and a child that inherits the
 * stream would be handed the file. It may be opened twice then.
 */
export function openAboveStandard(path: string, flags: number | string, mode?: number): number {
  return aboveStandard(() => openSync(path, flags, mode));
}

/** The same for whatever opens a file. */
export function aboveStandard(open: () => number): number {
  const fd = open();
  if (fd > 2) return fd;
  const low = [fd];
  try {
    while (low.length < 3) {
      const filler = openSync("/dev/null", constants.O_RDONLY);
      low.push(filler);
      if (filler > 2) break;
    }
    return open();
  } finally {
    for (const each of low) closeSync(each);
  }
}

function exists(path: string): boolean {
  try {
    statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** The code of an error of node:fs; EIO if it has none. */
function fileErrorCode(error: unknown): string {
  return codeOf(error) ?? "EIO";
}

/** Deno's NotCapable, Node's ERR_ACCESS_DENIED: the runtime's own refusal, not the system's. */
export function isRefusedByRuntime(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  return error.name === "NotCapable" || codeOf(error) === "ERR_ACCESS_DENIED";
}
