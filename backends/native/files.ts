/**
 * Files through system calls, with the effective ids as execve(2) has them. No permission of the
 * runtime is needed but the one for FFI.
 *
 * @module
 */

import { concat } from "../../core/bytes.ts";
import type { Access } from "../../core/system.ts";
import { type Kernel, PATH_SIZE } from "./kernel.ts";
import {
  AT_EACCESS,
  AT_FDCWD,
  E,
  O,
  S_IFDIR,
  S_IFMT,
  S_IFREG,
  X_OK,
} from "../../core/tables/kernel.ts";
import { isMissing } from "./primitives.ts";
import { place, regions } from "./scratch.ts";
import { decodeUtf8 } from "../../core/utf8.ts";

/** What is in the scratch memory: the path, struct stat. */
const { stat: STAT } = regions({ path: PATH_SIZE, stat: 256 });

/** Whether a path is a regular file that this process may execute. */
export function accessOf(kernel: Kernel, path: string): Access {
  const result = executeAccess(kernel, path);
  if (result === -E.ENOENT) return "ENOENT";
  if (result === -E.ENOTDIR) return "ENOTDIR";
  // What stands in a folder that cannot be searched is not there, as far as this process can see.
  if (result < 0) return modeOf(kernel, path) === 0 ? "ENOENT" : "EACCES";
  // Folders have x bits too.
  return (modeOf(kernel, path) & S_IFMT) === S_IFREG ? "ok" : "EACCES";
}

/** The result of faccessat2(2) for execution, by the effective ids; also where it is missing. */
function executeAccess(kernel: Kernel, path: string): number {
  const result = kernel.raw("faccessat2", AT_FDCWD, kernel.path(path), X_OK, AT_EACCESS);
  if (!isMissing(result)) return result;
  const [uid, euid, gid, egid] = (["getuid", "geteuid", "getgid", "getegid"] as const)
    .map((name) => kernel.raw(name));
  // faccessat(2) goes by the real ids.
  if (uid === euid && gid === egid) {
    return kernel.raw("faccessat", AT_FDCWD, kernel.path(path), X_OK);
  }
  // execve(2) itself finds out what the mode bits do not show: access control lists, groups.
  const mode = modeOf(kernel, path);
  return mode === 0 ? -E.ENOENT : (mode & 0o111) === 0 ? -E.EACCES : 0;
}

/** Why a path is no folder, as an errno; undefined if it is one. */
export function folderProblem(kernel: Kernel, path: string): number | undefined {
  const stat = place(kernel.scratch, STAT);
  const result = kernel.raw("newfstatat", AT_FDCWD, kernel.path(path), stat, 0);
  if (result < 0) return -result;
  const mode = kernel.view.getUint32(STAT.at + kernel.arch.stat.mode, true);
  return (mode & S_IFMT) === S_IFDIR ? undefined : E.ENOTDIR;
}

/** st_mode of a path, or 0 if there is none. */
function modeOf(kernel: Kernel, path: string): number {
  const result = kernel.raw(
    "newfstatat",
    AT_FDCWD,
    kernel.path(path),
    place(kernel.scratch, STAT),
    0,
  );
  return result < 0 ? 0 : kernel.view.getUint32(STAT.at + kernel.arch.stat.mode, true);
}

/** The first bytes of a file, or undefined if it cannot be read. */
export function headOf(kernel: Kernel, path: string): Uint8Array | undefined {
  const flags = O.RDONLY | O.CLOEXEC | O.NONBLOCK | O.NOCTTY;
  const fd = kernel.raw("openat", AT_FDCWD, kernel.path(path), flags, 0);
  if (fd < 0) return undefined;
  try {
    const head = kernel.readInto(fd);
    return typeof head === "number" ? undefined : head.slice();
  } finally {
    kernel.close(fd);
  }
}

/** All of a small file such as those of /proc, or undefined if it cannot be read. */
export function textOf(kernel: Kernel, path: string): string | undefined {
  const head = headOf(kernel, path);
  return head === undefined ? undefined : decodeUtf8(head);
}

/** All of a longer one, which a single read(2) may not give. */
export function wholeTextOf(kernel: Kernel, path: string): string | undefined {
  const fd = kernel.raw("openat", AT_FDCWD, kernel.path(path), O.RDONLY | O.CLOEXEC, 0);
  if (fd < 0) return undefined;
  const pieces: Uint8Array[] = [];
  try {
    for (;;) {
      const piece = kernel.readInto(fd);
      if (typeof piece === "number") return undefined;
      if (piece.length === 0) return decodeUtf8(concat(pieces));
      pieces.push(piece.slice());
    }
  } finally {
    kernel.close(fd);
  }
}
