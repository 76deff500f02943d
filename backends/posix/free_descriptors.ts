/**
 * Whether this process can open files, found out by opening some: for what a runtime does not report
 * when there are too many open files.
 *
 * @module
 */

import { openSync } from "node:fs";
import { isOutOfDescriptors, OpenFiles } from "./files.ts";
import { isPermitted } from "./permitted.ts";

const ANY_FILE = "/dev/null";

/**
 * Throws the runtime's error (EMFILE or ENFILE) if there are no `count` descriptors left. Where the
 * runtime does not permit this process to look, nothing is found out.
 */
export function requireFreeDescriptors(count: number): void {
  if (!isPermitted("read", ANY_FILE)) return;
  const files = new OpenFiles();
  try {
    for (let opened = 0; opened < count; opened++) files.own(openSync(ANY_FILE, "r"));
  } catch (error) {
    if (isOutOfDescriptors(error)) throw error;
  } finally {
    files.close();
  }
}
