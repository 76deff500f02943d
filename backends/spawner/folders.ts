/**
 * The search for a folder in which something can be made that nobody else gets at: one list for
 * all of it, and one opinion of what is a folder's fault.
 *
 * @module
 */

import { statSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { process } from "../process.ts";
import { UnsupportedError } from "../../core/errors.ts";
import { elevated } from "../posix/elevated.ts";
import { isPermitted } from "../posix/permitted.ts";
import { codeOf } from "../../core/error_code.ts";

const STICKY = 0o1000;
const WRITABLE_BY_OTHERS = 0o022;

/**
 * Folders that may do, best first: what is in memory comes before what is on a disk, since
 * arguments and input are written there. Whoever started a set-uid program does not choose.
 */
function* candidates(): Generator<string> {
  yield "/dev/shm";
  if (elevated()) {
    yield* ["/tmp", "/var/tmp"];
    return;
  }
  const { XDG_RUNTIME_DIR, XDG_CACHE_HOME } = process.env;
  yield* absolute(XDG_RUNTIME_DIR);
  yield tmpdir();
  // Without HOME and without an entry in passwd(5) there is none: then this throws.
  yield* absolute(XDG_CACHE_HOME ?? known(() => join(homedir(), ".cache")));
  // Without its folder: then this throws.
  yield* absolute(known(() => process.cwd()));
}

function absolute(path: string | undefined): string[] {
  return path !== undefined && path.startsWith("/") ? [path] : [];
}

function known(path: () => string): string | undefined {
  try {
    return path();
  } catch {
    return undefined;
  }
}

/** Whether there are too many open files, in this process or at all: no folder is at fault. */
function isOutOfDescriptors(error: unknown): boolean {
  const code = codeOf(error);
  return code === "EMFILE" || code === "ENFILE";
}

/**
 * What `make` makes in the first folder where it does not throw. Throws an UnsupportedError that
 * says why no folder will do; if there are too many open files, the runtime's own error.
 */
export function inSomeFolder<T>(
  { feature, driver, remedy }: {
    readonly feature: string;
    readonly driver: string;
    readonly remedy: string;
  },
  make: (folder: string) => T,
  folders: Iterable<string> = candidates(),
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
 * Throws if somebody else could rename or remove what is made in a folder: its owner can, unless
 * that is us or root, and so can all who may write to it if it has no sticky bit.
 */
export function requireTrusted(folder: string): void {
  const us = process.geteuid?.();
  // A system without owners.
  if (us === undefined) return;
  const { uid, mode } = statSync(folder);
  if (uid !== us && uid !== 0) throw new Error(`the folder belongs to uid ${uid}`);
  if ((mode & WRITABLE_BY_OTHERS) !== 0 && (mode & STICKY) === 0) {
    throw new Error("others may write to the folder, and remove what is in it");
  }
}
