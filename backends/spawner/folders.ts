/**
 * The search for a folder for temporary files and sockets that no other user can replace. All of
 * them are made through it.
 *
 * @module
 */

import { isError } from "../../core/error_code.ts";
import { statSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { isAbsolute, join } from "node:path";
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
 * and input are written there. The environment of a set-uid program does not choose. Each is looked
 * for only if the one before it is not suitable.
 */
export function* temporaryFolders(): Generator<string> {
  yield "/dev/shm";
  if (!elevated()) yield* chosenFolders([() => process.env["XDG_RUNTIME_DIR"], tmpdir]);
  yield* ["/tmp", "/var/tmp"];
  if (elevated()) return;
  yield* chosenFolders([
    () => process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"),
    homedir,
    () => process.cwd(),
  ]);
}

/**
 * Those that are set, and absolute. homedir() throws without HOME and without an entry in passwd(5),
 * cwd() if the folder was removed.
 */
function* chosenFolders(paths: readonly (() => string | undefined)[]): Generator<string> {
  for (const path of paths) {
    const folder = resultOf(path);
    if (folder !== undefined && isAbsolute(folder)) yield folder;
  }
}

/** The result of a function; undefined if it throws. */
function resultOf(path: () => string | undefined): string | undefined {
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
  const tried = new Set<string>();
  const errors: unknown[] = [];
  for (const folder of folders) {
    if (tried.has(folder)) continue;
    tried.add(folder);
    try {
      if (!isPermitted("write", folder)) throw new Error("no permission to write");
      return make(folder);
    } catch (error) {
      if (isOutOfDescriptors(error)) throw error;
      errors.push(error);
    }
  }
  const reason = [...tried].map((folder, i) => `${folder}: ${messageOf(errors[i])}`).join("; ");
  const cause = errors.length === 1 ? errors[0] : new AggregateError(errors, reason);
  throw new UnsupportedError({ feature, driver, reason, remedy, cause });
}

function messageOf(error: unknown): string {
  return isError(error) ? error.message : String(error);
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
