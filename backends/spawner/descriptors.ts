/**
 * Descriptors for children, checked and opened with node:fs, and failures of that as those of a start.
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

/** Where there is no limit to be read: fs.nr_open of Linux, see proc_sys_fs(5). */
export const MAX_FILES = 1_048_576;

/**
 * Refuses what cannot be handed on, before anything is opened: what is opened gets the lowest
 * number that is free, such as that of a descriptor that was closed. dup3(2) to a number that is
 * not below the limit on open files fails; a spawner would fill a table up to it first. `above` is
 * how many numbers more must be below the limit.
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

/** The soft limit on open files, which children inherit: as many numbers there are. */
export function fileLimit(): number {
  const soft = /^Max open files\s+(\d+)/m.exec(textOfFile("/proc/self/limits") ?? "")?.[1];
  return soft === undefined ? MAX_FILES : Number(soft);
}

/** The spawner would not say which one it was. Told as the call that would fail. */
export function requireOpen(plan: Plan, fd: number, to: number): void {
  try {
    fstatSync(fd);
  } catch (error) {
    throw descriptorError(plan, error, "dup3", [String(fd), String(to), "0"]);
  }
}

/**
 * Opening a FIFO waits for its other side, which would stop the event loop: O_NONBLOCK makes it an
 * error (ENXIO) or no wait. The child clears the flag.
 */
export function openFile(
  plan: Plan,
  source: Extract<FdSource, { from: "file" }>,
): { fd: number; flags: number } {
  const how = {
    read: constants.O_RDONLY,
    write: constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC,
    append: constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND,
  }[source.access];
  try {
    const flags = how | constants.O_NOCTTY | constants.O_NONBLOCK;
    const fd = openAboveStandard(source.path, flags, source.mode);
    return { fd, flags: how & constants.O_APPEND };
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

/** Creates a file for a child. Throws a failure of the file system as a SpawnError of step `fds`. */
export function createForChild(plan: Plan, write: () => UnlinkedFile): UnlinkedFile {
  try {
    return write();
  } catch (error) {
    throw descriptorError(plan, error, "openat", ["AT_FDCWD", "…"]);
  }
}

/** The error of a file system call of the runtime as one of step `fds`. */
export function descriptorError(
  plan: Plan,
  error: unknown,
  syscall: string,
  args: readonly string[],
  path?: string,
): unknown {
  const { errno } = error as { errno?: unknown };
  // The runtime's own refusals have no errno and stay what they are.
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
