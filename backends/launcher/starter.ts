/**
 * The start of a child by way of the launcher: the runtime starts the launcher, which receives its
 * program over a socket and tells on the same socket how far it has come.
 *
 * @module
 */

import { constants, writeSync } from "node:fs";
import { process } from "../process.ts";
import { own, shielded } from "../../core/own.ts";
import type { Process, Sink } from "../../core/backend.ts";
import { SpawnError, SystemCallError } from "../../core/errors.ts";
import type { Plan } from "../../core/plan/plan.ts";
import type { Arch } from "../child_program/arch.ts";
import { GO } from "../child_program/protocol.ts";
import { hookRuntime } from "../child_program/hook_split.ts";
import type { Host } from "../spawner/host.ts";
import { type Blame, Launch, type Programs } from "../child_program/launch.ts";
import { sinkOf, type Writer } from "../spawner/sink.ts";
import { accessTo, closeFd, headOfFile, openAboveStandard, textOfFile } from "../posix/files.ts";
import { elevated } from "../posix/elevated.ts";
import {
  sendByNumber,
  type Spawned,
  type Spawner,
  StartError,
  type Stdio,
} from "../spawner/spawner.ts";
import { retryOnTextBusy } from "../spawner/text_busy.ts";
import { type UnlinkedFile, writeUnlinkedProgram } from "../spawner/unlinked_file.ts";
import { assemble } from "./assembly.ts";
import { imageOf, launcherFile, ROOM } from "./boot.ts";
import { restoreFor } from "./credentials.ts";
import { discardPidFile, discardUnfinished } from "./pid_file.ts";
import { intoChild, type Pipe, setupStdio, stdioWith } from "./child_fds.ts";
import { descriptorError, writtenFor } from "../spawner/descriptors.ts";
import { E } from "../../core/tables/kernel.ts";

/** The launcher's own descriptors: nothing, and the channel. */
const STDIO = ["null", "null", "null", "channel"] as const;

/** Starts children through the launcher. */
export class LauncherStarter {
  readonly #host: Host;
  readonly #arch: Arch;
  readonly #spawner: Spawner;
  #launcher: UnlinkedFile | undefined;

  constructor(host: Host, arch: Arch, spawner: Spawner) {
    this.#host = host;
    this.#arch = arch;
    this.#spawner = spawner;
  }

  /** The launcher's file, written when it is first needed, and kept in a thread that lasts. */
  get launcher(): UnlinkedFile {
    const { lasting, closesFiles } = this.#host;
    if (!lasting && !closesFiles) return writeUnlinkedProgram(launcherFile(this.#arch));
    if (this.#launcher === undefined) {
      const file = writeUnlinkedProgram(launcherFile(this.#arch));
      // A worker's descriptors are the process's, and would stay when it has ended.
      if (!lasting) process.once("exit", () => file.close());
      this.#launcher = { ...file, close: () => {} };
    }
    return this.#launcher;
  }

  /** Starts a child and takes care of it until its end. */
  start(plan: Plan, cancel?: AbortSignal): Promise<Process> {
    return retryOnTextBusy(() => this.#attempt(plan, cancel), wasTextBusy);
  }

  async #attempt(plan: Plan, cancel: AbortSignal | undefined): Promise<Process> {
    // The kernel lets nobody look into the descriptors of a process whose ids differ.
    const childFds = shielded(() => setupStdio(plan, { stdio: STDIO, own: elevated() }));
    let spawned: Spawned;
    let programs: Programs;
    let file: UnlinkedFile | undefined;
    try {
      const support = {
        arch: this.#arch,
        runtime: hookRuntime(this.#host, elevated()),
        restore: restoreFor(plan),
      };
      const { program, control, halves } = assemble(plan, childFds, support);
      if (halves !== undefined) file = writtenFor(plan, () => writeUnlinkedProgram(halves.file));
      const image = imageOf(this.#arch, program, control);
      if (image.message.length > ROOM) throw tooLong(plan);
      programs = { encoded: image.encoded, afterHook: halves?.second };
      spawned = await this.#spawn(plan, stdioWith(childFds, file?.fd));
      spawned.channel?.write(image.message);
      spawned.channel?.write(GO);
    } finally {
      childFds.close();
      file?.close();
    }
    const { pid, channel, exited, kill, ref, unref } = spawned;
    if (channel === undefined) throw new Error("a launcher without a channel");
    const pipes = new Pipes(plan, this.#host, spawned, childFds.pipes);
    return await new Launch({
      plan,
      programs,
      channel,
      pid,
      exited,
      daemonPid: undefined,
      kill,
      killDaemon: (daemon, signal) => killDaemon(pid, daemon, signal),
      ref,
      unref,
      ...(childFds.pipes.length === 0 ? {} : { openPipes: () => pipes.open() }),
      takePipes: () => pipes.take(),
      closePipes: () => pipes.close(),
      blame: BLAME,
    }).proceed(cancel);
  }

  async #spawn(plan: Plan, stdio: readonly Stdio[]): Promise<Spawned> {
    const { path, close } = writtenFor(plan, () => this.launcher);
    try {
      return await this.#spawner.spawn({ path, argv: [path], env: {}, stdio });
    } catch (error) {
      throw startFailure(plan, error);
    } finally {
      close();
    }
  }
}

/** Whether the program could not be executed because somebody has it open for writing. */
export function wasTextBusy(error: unknown): boolean {
  return error instanceof SpawnError && error.step === "exec" && error.errno === E.ETXTBSY;
}

/** The runtime's spawner has failed; the launcher itself could not be started. */
export function startFailure(plan: Plan, error: unknown): unknown {
  if (!(error instanceof StartError)) return error;
  const { errno, message: detail } = error;
  const { command } = plan;
  return new SpawnError({
    step: "clone",
    syscall: "clone",
    args: [],
    errno,
    detail,
    command,
    cause: error,
  });
}

/** The pipes of one child: those of the runtime, and those that the child has made. */
class Pipes {
  readonly #plan: Plan;
  readonly #host: Host;
  readonly #spawned: Spawned;
  readonly #made: readonly Pipe[];
  #ends: End[] = [];

  constructor(plan: Plan, host: Host, spawned: Spawned, made: readonly Pipe[]) {
    this.#plan = plan;
    this.#host = host;
    this.#spawned = spawned;
    this.#made = made;
  }

  /** Opens our ends of the pipes that the child has made. */
  async open(): Promise<void> {
    const { openPipe } = this.#host;
    for (const pipe of this.#made) {
      const write = intoChild(pipe);
      const path = `/proc/${this.#spawned.pid}/fd/${write ? pipe.write : pipe.read}`;
      const how = write ? constants.O_WRONLY : constants.O_RDONLY;
      try {
        const flags = how | constants.O_NONBLOCK;
        const fd = await openPipe?.(path, flags) ?? openAboveStandard(path, flags);
        this.#ends.push({ carries: pipe.carries, fd });
      } catch (error) {
        const args = ["AT_FDCWD", JSON.stringify(path)];
        throw descriptorError(this.#plan, error, "openat", args, path);
      }
    }
  }

  /** Hands our ends over. */
  take(): Pick<Process, "stdin" | "stdout" | "stderr" | "buffers"> {
    const pipes: { -readonly [K in "stdin" | "stdout" | "stderr"]?: Process[K] } = own({});
    for (const name of ["stdin", "stdout", "stderr"] as const) {
      const own = this.#spawned[name];
      if (own !== undefined) Object.assign(pipes, { [name]: own });
    }
    const buffers: Sink[] = [];
    try {
      for (let end = this.#ends[0]; end !== undefined; end = this.#ends[0]) {
        const { carries, fd } = end;
        if (carries === "buffer") buffers.push(this.#sink(fd));
        else if (carries === "stdin") pipes.stdin = this.#sink(fd);
        else pipes[carries] = this.#host.source(fd);
        // From here on it has another owner.
        this.#ends.shift();
      }
    } catch (error) {
      for (const each of [pipes.stdin, pipes.stdout, pipes.stderr, ...buffers]) each?.close();
      throw error;
    }
    return { ...pipes, buffers };
  }

  /** Closes what was not handed over. */
  close(): void {
    for (const { fd } of this.#ends.splice(0)) {
      if (this.#host.openPipe === undefined) closeFd(fd);
      else this.#host.source(fd).close();
    }
  }

  /** What is opened by `openPipe` is the runtime's from the start. */
  #sink(fd: number): Sink {
    return this.#host.openPipe === undefined ? sinkOf(WRITER, this.#host, fd) : this.#host.sink(fd);
  }
}

/** How failures are explained without FFI. */
export const BLAME: Blame = {
  files: { access: accessTo, head: headOfFile },
  discardPidFile,
  discardUnfinished,
};

/**
 * Sends a signal to a daemon, which is not our child: only if the process with its pid is of the
 * session that our child has made for it.
 */
export function killDaemon(leader: number, pid: number, signal: number): boolean {
  const stat = textOfFile(`/proc/${pid}/stat`);
  // Behind the name, which may contain anything: state, parent, group, session. See proc(5).
  const [state = "X", , , session] = stat?.slice(stat.lastIndexOf(")") + 2).split(" ") ?? [];
  return !"ZX".includes(state) && session === String(leader) && sendByNumber(pid, signal);
}

/** write(2) through node:fs. */
const WRITER: Writer = {
  writeFrom(fd, bytes) {
    try {
      return writeSync(fd, bytes);
    } catch (error) {
      const { errno } = error as { errno?: unknown };
      if (typeof errno !== "number") throw error;
      return -Math.abs(errno);
    }
  },
  close: (fd) => closeFd(fd),
  error: (call, result) => new SystemCallError(call, -result),
};

/** Our end of a pipe. */
interface End {
  readonly carries: Pipe["carries"];
  readonly fd: number;
}

function tooLong(plan: Plan): SpawnError {
  return new SpawnError({
    step: "exec",
    syscall: "execve",
    args: [],
    errno: E.E2BIG,
    detail: "E2BIG: arguments and environment are too long for the kernel",
    command: plan.command,
  });
}
