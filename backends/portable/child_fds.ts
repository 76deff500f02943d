/**
 * A plan's descriptors as a runtime's spawner takes them: by their numbers in the child.
 *
 * @module
 */

import { constants, fstatSync } from "node:fs";
import { type Plan, stepOf } from "../../core/plan/plan.ts";
import { openFile, requireDescriptors } from "../spawner/descriptors.ts";
import { openAboveStandard } from "../posix/files.ts";
import { standardStreamNow } from "../posix/standard_stream.ts";
import type { Stdio } from "../spawner/spawner.ts";
import { closeFd } from "../posix/files.ts";

/** Everything that a child is given. */
export interface PortableFds {
  readonly stdio: readonly Stdio[];
  /** Whether both outputs go into one pipe. */
  readonly merges: boolean;
  /** Closes the files that were opened here. */
  close(): void;
}

/** Opens what is to be opened. Throws a SpawnError of step `fds`; then nothing is open. */
export function setupStdio(plan: Plan): PortableFds {
  // libuv and Bun move each to a number above all of them first.
  requireDescriptors(plan, 1);
  const { childFds } = stepOf(plan, "fds");
  const opened: number[] = [];
  const close = () => {
    for (const fd of opened.splice(0)) closeFd(fd);
  };
  const last = Math.max(2, ...childFds.map(({ to }) => to));
  const stdio = Array.from({ length: last + 1 }, (): Stdio => "null");
  let merges = false;
  try {
    for (const { to, source } of childFds) {
      if (source.from === "fd") {
        const { fd, isNew } = to > 2
          ? { fd: source.fd, isNew: false }
          : standardStreamNow(source.fd);
        if (isNew) opened.push(fd);
        stdio[to] = fd;
      } else if (source.from === "file") {
        const { fd, flags } = openFile(plan, source);
        opened.push(fd);
        stdio[to] = fd;
        if (source.access !== "read" && fstatSync(fd).isFIFO()) {
          // Nobody clears O_NONBLOCK later. It has a reader, so opening it again waits for nobody.
          const again = openAboveStandard(source.path, constants.O_WRONLY | flags);
          opened.push(again);
          stdio[to] = again;
        }
      } else if (source.from === "pipe") {
        stdio[to] = "pipe";
      } else if (source.from === "same") {
        stdio[to] = stdio[source.as] ?? "null";
        merges = stdio[to] === "pipe";
      }
    }
  } catch (error) {
    close();
    throw error;
  }
  return { stdio, merges, close };
}
