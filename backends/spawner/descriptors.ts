/**
 * Descriptors for children, checked and opened with node:fs. Failures are those of a start.
 *
 * @module
 */

import { constants, fstatSync } from "node:fs";
import { SpawnError } from "../../core/errors.ts";
import { type Plan, stepOf } from "../../core/plan/plan.ts";
import type { FdSource } from "../../core/plan/steps.ts";
import { openAboveStandard, textOfFile } from "../posix/files.ts";
import type { UnlinkedFile } from "./unlinked_file.ts";
import { E } from "../../core/tables/kernel.ts";

/** The limit where none can be read: fs.nr_open of Linux, see proc_sys_fs(5). */
export const MAX_FILES = 1_048_576;

/**
 * Throws a SpawnError for a descriptor that cannot be passed. Call it before anything is opened: a
 * new descriptor gets the lowest free number, such as that of one that was closed by mistake.
 * dup3(2) fails for a number that is not below the limit on open files, for which a spawner would
 * first fill a table. `above` is how many further numbers must be below the limit.
 */
export function requireDescriptors(plan: Plan, above: number = 0): void {
  const { childFds } = stepOf(plan, "fds");
  const limit = childFds.some(({ to }) => to > 2) ? fileLimit() : MAX_FILES;
  for (const { to, source } of childFds) {
    if (source.from === "fd") requireOpen(plan, source.fd, to);
    if (to + above < limit) continue;
    const args = [source.from === "fd" ? String(source.fd) : "…", String(to), "0"];
    throw descriptorError(plan, { errno: E.EBADF }, "dup3", args);
  }
}

/** Returns the soft limit on open files, which children inherit: how many numbers there are. */
export function fileLimit(): number {
  const soft = /^Max open files\s+(\d+)/m.exec(textOfFile("/proc/self/limits") ?? "")?.[1];
  return soft === undefined ? MAX_FILES : Number(soft);
}

/**
 * Throws a SpawnError for a descriptor that is not open, as the call that would fail: a spawner
 * would not report which one it is.
 */
export function requireOpen(plan: Plan, fd: number, to: number): void {
  try {
    fstatSync(fd);
  } catch (error) {
    throw descriptorError(plan, error, "dup3", [String(fd), String(to), "0"]);
  }
}

/**
 * Opens a file for a child. Returns its descriptor, and the flags that the child has to set.
 *
 * To open a FIFO is to wait for its other end, which would block the event loop, see fifo(7). With
 * O_NONBLOCK it fails (ENXIO) or does not wait. The child clears this flag.
 */
export function openFile(
  plan: Plan,
  source: Extract<FdSource, { from: "file" }>,
): { fd: number; flags: number } {
  const access = {
    read: constants.O_RDONLY,
    write: constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC,
    append: constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND,
  }[source.access];
  try {
    const flags = access | constants.O_NOCTTY | constants.O_NONBLOCK;
    const fd = openAboveStandard(source.path, flags, source.mode);
    return { fd, flags: access & constants.O_APPEND };
  } catch (error) {
    throw descriptorError(
      plan,
      error,
      "openat",
      ["AT_FDCWD", JSON.stringify(source.path)],
      source.path,
    );
  }
}

/**
 * Creates a file for a child. Throws a failure of the file system as a SpawnError of step `fds`.
 */
export function createForChild(plan: Plan, write: () => UnlinkedFile): UnlinkedFile {
  try {
    return write();
  } catch (error) {
    throw descriptorError(plan, error, "openat", ["AT_FDCWD", "…"]);
  }
}

/** Returns the error of a file system call of the runtime as a SpawnError of step `fds`. */
export function descriptorError(
  plan: Plan,
  error: unknown,
  syscall: string,
  args: readonly string[],
  path?: string,
): unknown {
  const { errno } = error as { errno?: unknown };
  // The runtime's own error for a missing permission has none, and is returned as it is.
  if (typeof errno !== "number") return error;
  const { command } = plan;
  return new SpawnError({
    step: "fds",
    syscall,
    args,
    errno: Math.abs(errno),
    path,
    command,
    cause: error,
  });
}
