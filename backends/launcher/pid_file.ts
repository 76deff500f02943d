/**
 * Tidying up after a daemon that failed, without locks of our own.
 *
 * @module
 */

import { readFileSync, rmSync } from "node:fs";

/**
 * Removes a pid file whose daemon `pid` did not come to exec: only while the dead pid stands in it.
 * Somebody who takes the file over writes another one.
 */
export function discardPidFile(path: string, pid: number): void {
  try {
    if (readFileSync(path, "utf8") === String(pid)) rmSync(path);
  } catch (error) {
    // Somebody else was quicker.
    if ((error as { code?: unknown }).code !== "ENOENT") throw error;
  }
}
