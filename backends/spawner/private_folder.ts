/**
 * A folder of our own for a moment, with names in it that nobody else can lead elsewhere.
 *
 * @module
 */

import { chmodSync, constants, fstatSync, mkdtempSync, openSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { process } from "../process.ts";
import { closeFd, isRefusedByRuntime } from "../posix/files.ts";
import { inSomeFolder } from "./folders.ts";
import { codeOf } from "../../core/error_code.ts";

/** The folder. */
export interface PrivateFolder {
  /** The path of a name in it. */
  at(name: string): string;
  /** Removes it, and what is in it. */
  remove(): void;
}

/** O_PATH of Linux: nothing but the place, for which no permission is needed. */
const O_PATH = 0o10000000;

const MODE = 0o700;

/**
 * Makes a folder. On Linux it is reached by way of an open descriptor: whoever owns the folder that
 * it stands in may put another one into its place, but not get into this one.
 */
export function makePrivateFolder(): PrivateFolder {
  return inSomeFolder({
    feature: 'stderr("stdout")',
    driver: "portable",
    remedy: "set TMPDIR to a folder that can be written to",
  }, makeIn);
}

function makeIn(parent: string): PrivateFolder {
  // mkdtemp(3): a new folder, with mode 0700 less the umask.
  const path = mkdtempSync(join(parent, "vircommand-"));
  if (process.platform !== "linux") return folderAt(path, path, () => {});
  try {
    const fd = openSync(path, O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    try {
      const own = `/proc/self/fd/${fd}`;
      const { uid } = fstatSync(fd);
      if (uid !== process.geteuid?.()) throw new Error("it was replaced by that of somebody else");
      chmodSync(own, MODE);
      return folderAt(path, own, () => closeFd(fd));
    } catch (error) {
      closeFd(fd);
      // Deno lets only those into /proc that have all permissions.
      if (isRefusedByRuntime(error)) return folderAt(path, path, () => {});
      throw error;
    }
  } catch (error) {
    rmdirSync(path);
    throw error;
  }
}

function folderAt(path: string, own: string, close: () => void): PrivateFolder {
  const names = new Set<string>();
  return {
    at(name) {
      if (name !== "") names.add(name);
      return join(own, name);
    },
    remove() {
      try {
        // By name: to list them takes a descriptor, and there may be none left.
        for (const name of names) rmSync(join(own, name), { force: true });
        rmdirSync(path);
      } catch (error) {
        // Somebody may have moved it; then it is empty, and theirs to remove.
        if (codeOf(error) !== "ENOENT") throw error;
      } finally {
        close();
      }
    },
  };
}
