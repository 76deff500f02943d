/**
 * A private folder for a moment, in which no other user can replace a file.
 *
 * @module
 */

import { chmodSync, constants, fstatSync, mkdtempSync, openSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { process } from "../process.ts";
import { closeFd, isRefusedByRuntime } from "../posix/files.ts";
import { inSomeFolder } from "./folders.ts";
import { O } from "../../core/tables/kernel.ts";
import { codeOf } from "../../core/error_code.ts";

/** The folder. */
export interface PrivateFolder {
  /** Returns the path of a name in it. */
  at(name: string): string;
  /** Removes the folder and the names in it. */
  remove(): void;
}

/** For the owner only. */
const MODE = 0o700;

/**
 * Makes a folder. On Linux it is used through an open descriptor: the owner of its parent folder
 * may replace it by another one, but has no access to this one.
 */
export function makePrivateFolder(): PrivateFolder {
  return inSomeFolder({
    feature: 'stderr("stdout")',
    driver: "portable",
    remedy: "set TMPDIR to a folder that can be written to",
  }, makeIn);
}

function makeIn(parent: string): PrivateFolder {
  // mkdtemp(3): a new folder, with mode 0700 without the bits of the umask.
  const path = mkdtempSync(join(parent, "vircommand-"));
  if (process.platform !== "linux") return folderAt(path, path, () => {});
  try {
    const fd = openSync(path, O.PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    try {
      const opened = `/proc/self/fd/${fd}`;
      const { uid } = fstatSync(fd);
      if (uid !== process.geteuid?.()) throw new Error("another user has replaced it");
      chmodSync(opened, MODE);
      return folderAt(path, opened, () => closeFd(fd));
    } catch (error) {
      closeFd(fd);
      // Deno allows /proc only with all permissions.
      if (isRefusedByRuntime(error)) return folderAt(path, path, () => {});
      throw error;
    }
  } catch (error) {
    rmdirSync(path);
    throw error;
  }
}

/** `usedPath` leads to the folder whatever is at `path`. */
function folderAt(path: string, usedPath: string, close: () => void): PrivateFolder {
  const names = new Set<string>();
  return {
    at(name) {
      if (name !== "") names.add(name);
      return join(usedPath, name);
    },
    remove() {
      try {
        // Listing the folder would take a descriptor, and there may be none left.
        for (const name of names) rmSync(join(usedPath, name), { force: true });
        rmdirSync(path);
      } catch (error) {
        // Another user may have moved it. It is empty then.
        if (codeOf(error) !== "ENOENT") throw error;
      } finally {
        close();
      }
    },
  };
}
