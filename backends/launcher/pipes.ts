/**
 * The pipes of a child that was started through the launcher: those that the runtime made, and
 * those that the child made.
 *
 * @module
 */

import { constants, writeSync } from "node:fs";
import type { Process, Sink } from "../../core/backend.ts";
import { SystemCallError } from "../../core/errors.ts";
import { own } from "../../core/own.ts";
import type { Plan } from "../../core/plan/plan.ts";
import { closeFd, openAboveStandard } from "../posix/files.ts";
import { descriptorError } from "../spawner/descriptors.ts";
import type { Host } from "../spawner/host.ts";
import { sinkOf, type Writer } from "../spawner/sink.ts";
import type { Spawned } from "../spawner/spawner.ts";
import { isWrittenByParent, type Pipe } from "./child_fds.ts";

/** This process's end of a pipe. */
interface ParentEnd {
  readonly carries: Pipe["carries"];
  readonly fd: number;
}

/** The pipes of one child. */
export class ChildPipes {
  readonly #plan: Plan;
  readonly #host: Host;
  readonly #spawned: Spawned;
  readonly #pipes: readonly Pipe[];
  #ends: ParentEnd[] = [];

  /** `pipes` are those that the child makes. */
  constructor(plan: Plan, host: Host, spawned: Spawned, pipes: readonly Pipe[]) {
    this.#plan = plan;
    this.#host = host;
    this.#spawned = spawned;
    this.#pipes = pipes;
  }

  /** Opens this process's ends of the pipes that the child has made. */
  async open(): Promise<void> {
    const { openPipe } = this.#host;
    for (const pipe of this.#pipes) {
      const writes = isWrittenByParent(pipe);
      const path = `/proc/${this.#spawned.pid}/fd/${writes ? pipe.write : pipe.read}`;
      const flags = (writes ? constants.O_WRONLY : constants.O_RDONLY) | constants.O_NONBLOCK;
      try {
        const fd = await openPipe?.(path, flags) ?? openAboveStandard(path, flags);
        this.#ends.push({ carries: pipe.carries, fd });
      } catch (error) {
        const args = ["AT_FDCWD", JSON.stringify(path)];
        throw descriptorError(this.#plan, error, "openat", args, path);
      }
    }
  }

  /** Gives away all ends, as sources and sinks that own them. */
  take(): Pick<Process, "stdin" | "stdout" | "stderr" | "buffers"> {
    const pipes: { -readonly [K in "stdin" | "stdout" | "stderr"]?: Process[K] } = own({});
    for (const name of ["stdin", "stdout", "stderr"] as const) {
      const runtimePipe = this.#spawned[name];
      if (runtimePipe !== undefined) Object.assign(pipes, { [name]: runtimePipe });
    }
    const buffers: Sink[] = [];
    try {
      for (let end = this.#ends[0]; end !== undefined; end = this.#ends[0]) {
        const { carries, fd } = end;
        if (carries === "buffer") buffers.push(this.#sink(fd));
        else if (carries === "stdin") pipes.stdin = this.#sink(fd);
        else pipes[carries] = this.#host.source(fd);
        // The source or sink owns it from here on.
        this.#ends.shift();
      }
    } catch (error) {
      for (const each of [pipes.stdin, pipes.stdout, pipes.stderr, ...buffers]) each?.close();
      throw error;
    }
    return { ...pipes, buffers };
  }

  /** Closes the ends that were not taken. */
  close(): void {
    for (const { fd } of this.#ends.splice(0)) {
      if (this.#host.openPipe === undefined) closeFd(fd);
      else this.#host.source(fd).close();
    }
  }

  /** The runtime owns what `openPipe` has opened, and is the only one to write to it. */
  #sink(fd: number): Sink {
    return this.#host.openPipe === undefined
      ? sinkOf(FS_WRITER, this.#host, fd)
      : this.#host.sink(fd);
  }
}

/** write(2) through node:fs. */
const FS_WRITER: Writer = {
  writeFrom(fd, bytes) {
    try {
      return writeSync(fd, bytes);
    } catch (error) {
      const { errno } = error as { errno?: unknown };
      if (typeof errno !== "number") throw error;
      return -Math.abs(errno);
    }
  },
  close: closeFd,
  error: (call, result) => new SystemCallError(call, -result),
};
