/**
 * Opens what the child's descriptors come from, in the parent, with the flag close-on-exec set
 * atomically. After the start the parent keeps its ends of the pipes, and closes the child's.
 *
 * @module
 */

import type { Mapping } from "../../core/plan/descriptors.ts";
import { SpawnError } from "../../core/errors.ts";
import { findStep, type Plan, stepOf } from "../../core/plan/plan.ts";
import type { ChildFd, FdSource, PipeName } from "../../core/plan/steps.ts";
import type { Kernel } from "./kernel.ts";
import { AT_FDCWD, F, O } from "../../core/tables/kernel.ts";
import { blockingStream } from "./standard_stream.ts";
import { READABLE, WRITABLE } from "../spawner/pipe_modes.ts";

/** The parent's end of a pipe. */
export interface ParentEnd {
  readonly carries: PipeName;
  readonly fd: number;
}

/**
 * Opens the descriptors of a plan.
 *
 * @throws {SpawnError} Of step `fds`; then nothing is open.
 */
export function setupStdio(kernel: Kernel, plan: Plan): ChildFds {
  const { childFds } = stepOf(plan, "fds");
  // Before anything is opened: it would get the lowest number that is free, such as one of these.
  for (const each of childFds) requireOpen(kernel, each, plan);
  const opened = new ChildFds(kernel);
  try {
    for (const each of childFds) opened.open(each, plan);
    return opened;
  } catch (error) {
    opened.close();
    throw error;
  }
}

/** Everything that is open for one child. */
export class ChildFds {
  /** From the parent's numbers to the child's. */
  readonly mappings: Mapping[] = [];
  readonly #kernel: Kernel;
  #parentEnds: readonly ParentEnd[] = NO_ENDS;
  #childEnds: readonly number[] = NO_FDS;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** Opens what one descriptor of the child comes from. */
  open({ to, source }: ChildFd, plan: Plan): void {
    this.mappings.push({ from: this.#open(source, to, plan), to });
  }

  #open(source: FdSource, to: number, plan: Plan): number {
    const kernel = this.#kernel;
    switch (source.from) {
      case "fd": {
        // Programs expect to wait at their standard streams; what else is passed stays as it is.
        if (to > 2) return source.fd;
        const fd = checked(blockingStream(kernel, source.fd), plan, "fcntl");
        if (fd !== source.fd) this.#childEnds = [...this.#childEnds, fd];
        return fd;
      }
      case "same": {
        const same = this.mappings.find((each) => each.to === source.as);
        if (same === undefined) {
          throw new Error(`descriptor ${to} is the same as ${source.as}, which comes later`);
        }
        return same.from;
      }
      case "null": {
        const fd = devNull(kernel, plan);
        if (!kernel.lasting) this.#childEnds = [...this.#childEnds, fd];
        return fd;
      }
      case "file": {
        const fd = openFile(kernel, plan, source);
        this.#childEnds = [...this.#childEnds, fd];
        return fd;
      }
      case "pipe": {
        const intoChild = source.carries === "stdin" || source.carries === "buffer";
        const { read, write } = openPipe(kernel, plan);
        const [child, parent] = intoChild ? [read, write] : [write, read];
        this.#childEnds = [...this.#childEnds, child];
        this.#parentEnds = [...this.#parentEnds, { carries: source.carries, fd: parent }];
        if (findStep(plan, "identity")?.ids !== undefined) {
          const mode = intoChild ? READABLE : WRITABLE;
          checked(kernel.raw("fchmod", child, mode), plan, "fchmod");
        }
        // Only the parent's end: the two ends of a pipe have flags of their own.
        kernel.setNonblocking(parent);
        return child;
      }
      default:
        return source satisfies never;
    }
  }

  /** Hands the parent's ends over: the caller closes them. */
  takeParentEnds(): readonly ParentEnd[] {
    const ends = this.#parentEnds;
    this.#parentEnds = NO_ENDS;
    return ends;
  }

  /** Closes what only the child needs, once the child has its copies. */
  closeChildEnds(): void {
    const ends = this.#childEnds;
    this.#childEnds = NO_FDS;
    for (const fd of ends) this.#kernel.close(fd);
  }

  /** Closes whatever is still open and was not taken. */
  close(): void {
    this.closeChildEnds();
    for (const { fd } of this.takeParentEnds()) this.#kernel.close(fd);
  }
}

const NO_ENDS: readonly ParentEnd[] = [];
const NO_FDS: readonly number[] = [];

/** Throws if a descriptor is not open: the error is that of the child's call, which would fail. */
function requireOpen(kernel: Kernel, { to, source }: ChildFd, plan: Plan): void {
  if (source.from !== "fd") return;
  const result = kernel.raw("fcntl", source.fd, F.GETFD);
  if (result < 0) throw failed(plan, -result, "dup3", [String(source.fd), String(to), "0"]);
}

/** /dev/null: one descriptor for all streams of all children, in a thread that lasts. */
function devNull(kernel: Kernel, plan: Plan): number {
  return checked(kernel.nullFd(), plan, "openat", "/dev/null");
}

function openPipe(kernel: Kernel, plan: Plan): { read: number; write: number } {
  const ends = kernel.tryPipe();
  if (typeof ends === "number") throw failed(plan, -ends, "pipe2", []);
  return ends;
}

/**
 * Opening a FIFO blocks until its other end is open, which would stop the event loop. With O_NONBLOCK
 * it fails with ENXIO or succeeds at once; the flag is cleared afterwards, since programs expect
 * blocking files.
 */
function openFile(
  kernel: Kernel,
  plan: Plan,
  source: Extract<FdSource, { from: "file" }>,
): number {
  const how = {
    read: O.RDONLY,
    write: O.WRONLY | O.CREAT | O.TRUNC,
    append: O.WRONLY | O.CREAT | O.APPEND,
  }[source.access];
  const flags = how | O.CLOEXEC | O.NOCTTY | O.NONBLOCK;
  const path = kernel.path(source.path);
  const fd = checked(
    kernel.aboveStandard(kernel.raw("openat", AT_FDCWD, path, flags, source.mode)),
    plan,
    "openat",
    source.path,
  );
  const result = kernel.raw("fcntl", fd, F.SETFL, how & O.APPEND);
  if (result < 0) kernel.close(fd);
  checked(result, plan, "fcntl");
  return fd;
}

function checked(result: number, plan: Plan, syscall: string, path?: string): number {
  if (result >= 0) return result;
  const args = path === undefined ? [] : ["AT_FDCWD", JSON.stringify(path)];
  throw failed(plan, -result, syscall, args, path);
}

function failed(
  { command }: Plan,
  errno: number,
  syscall: string,
  args: readonly string[],
  path?: string,
): SpawnError {
  return new SpawnError({ step: "fds", syscall, args, errno, path, command });
}
