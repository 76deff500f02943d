/**
 * The search for a folder for temporary files and sockets that no other user can replace. All of
 * them are made through it.
 *
 * @module
 */

import { statSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { process } from "../process.ts";
import { UnsupportedError } from "../../core/errors.ts";
import { elevated } from "../posix/elevated.ts";
import { isOutOfDescriptors } from "../posix/files.ts";
import { isPermitted } from "../posix/permitted.ts";

/** S_ISVTX: only the owner of a file may remove it, see inode(7). */
const STICKY = 0o1000;

/** S_IWGRP and S_IWOTH. */
const WRITABLE_BY_OTHERS = 0o022;

/**
 * The folders to try, the best one first: those in memory before those on a disk, since arguments
 * and input are written there. The environment of a set-uid program does not choose.
 */
function* temporaryFolders(): Generator<string> {
  yield "/dev/shm";
  if (elevated()) {
    yield* ["/tmp", "/var/tmp"];
    return;
  }
  const { XDG_RUNTIME_DIR, XDG_CACHE_HOME } = process.env;
  yield* absolute(XDG_RUNTIME_DIR);
  yield tmpdir();
  // homedir() throws without HOME and without an entry in passwd(5).
  yield* absolute(XDG_CACHE_HOME ?? resultOf(() => join(homedir(), ".cache")));
  // cwd() throws if the folder was removed.
  yield* absolute(resultOf(() => process.cwd()));
}

function absolute(path: string | undefined): string[] {
  return path !== undefined && path.startsWith("/") ? [path] : [];
}

/** The result of a function; undefined if it throws. */
function resultOf(path: () => string): string | undefined {
  try {
    return path();
  } catch {
    return undefined;
  }
}

/**
 * Returns what `make` returns for the first folder for which it does not throw. Throws an
 * UnsupportedError with the reasons if there is none; the runtime's own error if there are too many
 * open files, since then no folder is at fault.
 */
export function inSomeFolder<T>(
  { feature, driver, remedy }: {
    readonly feature: string;
    readonly driver: string;
    readonly remedy: string;
  },
  make: (folder: string) => T,
  folders: Iterable<string> = temporaryFolders(),
): T {
  const refusals: string[] = [];
  for (const folder of folders) {
    if (!isPermitted("write", folder)) {
      refusals.push(`${folder}: no permission to write`);
      continue;
    }
    try {
      return make(folder);
    } catch (error) {
      if (isOutOfDescriptors(error)) throw error;
      refusals.push(`${folder}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new UnsupportedError({ feature, driver, reason: refusals.join("; "), remedy });
}

/**
 * Throws if another user could rename or remove files in a folder. The owner of the folder can;
 * without the sticky bit, so can everybody with permission to write to it.
 */
export function requireTrusted(folder: string): void {
  const euid = process.geteuid?.();
  // A system without owners.
  if (euid === undefined) return;
  const { uid, mode } = statSync(folder);
  if (uid !== euid && uid !== 0) throw new Error(`the folder belongs to uid ${uid}`);
  if ((mode & WRITABLE_BY_OTHERS) !== 0 && (mode & STICKY) === 0) {
    throw new Error("others may write to the folder, and remove what is in it");
  }
}
