/**
 * Files through `node:fs`, which all three runtimes have. On Deno this needs permissions: what this
 * process may not look at is left for the system to check, later.
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
  writeSync,
} from "node:fs";
import { shielded } from "../../core/own.ts";
import type { Access } from "../../core/system.ts";
import { codeOf, isError } from "../../core/error_code.ts";

/** How much of a file is enough to tell what it is: the first line of a script, in bytes. */
const HEAD_SIZE = 4096;

/** The last descriptor of the standard streams. */
export const LAST_STANDARD_FD = 2;

/**
 * Closes a descriptor of this process. Linux frees the number whatever close(2) returns, such as
 * EIO from a network file system; throwing that would only keep the descriptors after it open.
 */
export function closeFd(fd: number): void {
  try {
    closeSync(fd);
  } catch (error) {
    // It was never open, or somebody else has closed it: a bug.
    if (fileErrorCode(error) === "EBADF") throw error;
  }
}

/** Files that are open for one child, and are closed together. */
export class OpenFiles {
  readonly #fds: number[] = [];

  /** Takes ownership of a descriptor. Returns it. */
  own(fd: number): number {
    this.#fds.push(fd);
    return fd;
  }

  /** Closes all of them. May be called any number of times. */
  close(): void {
    for (const fd of this.#fds.splice(0)) closeFd(fd);
  }
}

/** Writes all of `bytes` to a descriptor. */
export function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
}

/** Returns whether a path is a regular file that this process may execute. */
export function accessTo(path: string): Access {
  // Node creates objects by setting properties, which an inherited property can prevent.
  return shielded(() => executableAccess(path));
}

function executableAccess(path: string): Access {
  try {
    accessSync(path, constants.X_OK);
  } catch (error) {
    const code = fileErrorCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return code;
    // A file in a folder that cannot be searched does not exist, as far as this process can see.
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

/** Returns the first bytes of a file; undefined if it cannot be read. */
export function headOfFile(path: string): Uint8Array | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch {
    return undefined;
  }
  try {
    const head = new Uint8Array(HEAD_SIZE);
    return head.subarray(0, readSync(fd, head));
  } catch {
    return undefined;
  } finally {
    closeFd(fd);
  }
}

/** Returns the text of a small file; undefined if it cannot be read. */
export function textOfFile(path: string): string | undefined {
  return bytesOfFile(path)?.toString("utf8");
}

/** Returns the bytes of a small file; undefined if it cannot be read. */
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
 * Opens a file at a number above the standard streams, as `openSync` and open(2) do. If this
 * process has closed one of those, open(2) gives out its number, and a child that inherits the
 * stream would get the file. The file may be opened twice in that case.
 */
export function openAboveStandard(path: string, flags: number | string, mode?: number): number {
  return aboveStandard(() => openSync(path, flags, mode));
}

/** Calls `open`, which opens a descriptor, until the number is above the standard streams. */
export function aboveStandard(open: () => number): number {
  const fd = open();
  if (fd > LAST_STANDARD_FD) return fd;
  const low = [fd];
  try {
    while (low.length <= LAST_STANDARD_FD) {
      const filler = openSync("/dev/null", constants.O_RDONLY);
      low.push(filler);
      if (filler > LAST_STANDARD_FD) break;
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

/**
 * Reports whether an error means that this process or the system has too many open files. Neither
 * the file nor the folder is at fault, and the error will pass.
 */
export function isOutOfDescriptors(error: unknown): boolean {
  const code = codeOf(error);
  return code === "EMFILE" || code === "ENFILE";
}

/**
 * Reports whether the runtime has refused, and not the system: NotCapable on Deno,
 * ERR_ACCESS_DENIED on Node.
 */
export function isRefusedByRuntime(error: unknown): error is Error {
  if (!isError(error)) return false;
  return error.name === "NotCapable" || codeOf(error) === "ERR_ACCESS_DENIED";
}
