/**
 * The descriptors of a plan, as a runtime's spawner takes them: by their numbers in the child.
 *
 * @module
 */

import { constants, fstatSync } from "node:fs";
import { type Plan, stepOf } from "../../core/plan/plan.ts";
import type { FdSource } from "../../core/plan/steps.ts";
import { openFile, requireDescriptors } from "../spawner/descriptors.ts";
import { LAST_STANDARD_FD, openAboveStandard, OpenFiles } from "../posix/files.ts";
import { standardStreamNow } from "../posix/standard_stream.ts";
import type { Stdio } from "../spawner/spawner.ts";

/** Everything that a child is given. */
export interface PortableFds {
  readonly stdio: readonly Stdio[];
  /** Whether both outputs go into one pipe. */
  readonly merges: boolean;
  /** Closes the files that were opened here. */
  close(): void;
}

/** Opens the files of a child. Throws a SpawnError of step `fds`; then nothing stays open. */
export function setupStdio(plan: Plan): PortableFds {
  // libuv and Bun first move each descriptor to a number above all of them.
  requireDescriptors(plan, 1);
  const { childFds } = stepOf(plan, "fds");
  const opened = new OpenFiles();
  const last = Math.max(LAST_STANDARD_FD, ...childFds.map(({ to }) => to));
  const stdio = Array.from({ length: last + 1 }, (): Stdio => "null");
  let merges = false;
  try {
    for (const { to, source } of childFds) {
      if (source.from === "fd") stdio[to] = passedFd(to, source.fd, opened);
      else if (source.from === "file") stdio[to] = openedFile(plan, source, opened);
      else if (source.from === "pipe") stdio[to] = "pipe";
      else if (source.from === "same") {
        stdio[to] = stdio[source.as] ?? "null";
        merges = stdio[to] === "pipe";
      }
    }
  } catch (error) {
    opened.close();
    throw error;
  }
  return { stdio, merges, close: () => opened.close() };
}

/** A descriptor of this process as the child gets it. */
function passedFd(to: number, original: number, opened: OpenFiles): number {
  if (to > LAST_STANDARD_FD) return original;
  const { fd, isNew } = standardStreamNow(original);
  return isNew ? opened.own(fd) : fd;
}

function openedFile(
  plan: Plan,
  source: Extract<FdSource, { from: "file" }>,
  opened: OpenFiles,
): number {
  const { fd, flags } = openFile(plan, source);
  opened.own(fd);
  if (source.access === "read" || !fstatSync(fd).isFIFO()) return fd;
  // No child program will clear O_NONBLOCK. The FIFO has a reader, so opening it again does not
  // wait.
  return opened.own(openAboveStandard(source.path, constants.O_WRONLY | flags));
}
