/**
 * The current folder, for builders: they must not make a driver, which is tried out when it is first
 * needed.
 *
 * @module
 */

import { StateError } from "./errors.ts";

let read: (() => string) | undefined;

/** Sets how it is read. Called once, by mod.ts. */
export function useCurrentFolder(by: () => string): void {
  read = by;
}

/** The current folder, absolute. Throws whatever the runtime does if it was removed. */
export function currentFolder(): string {
  if (read === undefined) throw new StateError("no current folder: import mod.ts, not core");
  return read();
}
