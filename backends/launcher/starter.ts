/**
 * The start of a child through the launcher: the runtime starts the launcher, which receives its
 * program over a socket and reports on the same socket how far it has come.
 *
 * @module
 */

import { process } from "../process.ts";
import { defined, shielded } from "../../core/own.ts";
import type { Process } from "../../core/backend.ts";
import type { Plan } from "../../core/plan/plan.ts";
import type { Arch } from "../child_program/arch.ts";
import { GO } from "../child_program/protocol.ts";
import { hookRuntime } from "../child_program/hook_split.ts";
import type { Host } from "../spawner/host.ts";
import { Launch } from "../child_program/launch.ts";
import type { Programs } from "../child_program/launch_failure.ts";
import { elevated } from "../posix/elevated.ts";
import type { Spawned, Spawner, Stdio } from "../spawner/spawner.ts";
import { retryOnTextBusy } from "../spawner/text_busy.ts";
import { type UnlinkedFile, writeUnlinkedProgram } from "../spawner/unlinked_file.ts";
import { createForChild } from "../spawner/descriptors.ts";
import { assemble } from "./assembly.ts";
import { imageOf, launcherFile, ROOM } from "./boot.ts";
import { type ChildFds, setupStdio, stdioWith } from "./child_fds.ts";
import { restoreFor } from "./credentials.ts";
import { type KernelSupport, openBelow } from "./kernel_support.ts";
import { signalDaemon } from "./daemon.ts";
import { ChildPipes } from "./pipes.ts";
import { FAILURE_HANDLING, isTextBusy, launcherError, tooLongError } from "./start_failure.ts";

/** The launcher's own descriptors: nothing at the standard streams, and the channel. */
const LAUNCHER_STDIO = ["null", "null", "null", "channel"] as const;

/** Starts children through the launcher. */
export class LauncherStarter {
  readonly #host: Host;
  readonly #arch: Arch;
  readonly #spawner: Spawner;
  readonly #kernel: KernelSupport;
  #launcher: UnlinkedFile | undefined;

  constructor(host: Host, arch: Arch, spawner: Spawner, kernel: KernelSupport) {
    this.#host = host;
    this.#arch = arch;
    this.#spawner = spawner;
    this.#kernel = kernel;
  }

  /**
   * The launcher's file. It is written at its first use and kept open, unless this thread may end
   * without closing it; then each use writes a new one.
   */
  get launcher(): UnlinkedFile {
    const { lasting, closesFiles } = this.#host;
    if (!lasting && !closesFiles) return writeUnlinkedProgram(launcherFile(this.#arch));
    if (this.#launcher === undefined) {
      const file = writeUnlinkedProgram(launcherFile(this.#arch));
      // A worker shares the descriptors of the process, where they would stay after its end.
      if (!lasting) process.once("exit", () => file.close());
      this.#launcher = { ...file, close: () => {} };
    }
    return this.#launcher;
  }

  /** Starts a child. Resolves when its program runs, or when it waits at its handshake. */
  start(plan: Plan, cancel?: AbortSignal): Promise<Process> {
    return retryOnTextBusy(() => this.#startOnce(plan, cancel), isTextBusy);
  }

  async #startOnce(plan: Plan, cancel: AbortSignal | undefined): Promise<Process> {
    // /proc/<pid>/fd of a process with different ids is closed to everybody: no pipes through it.
    const childFds = shielded(() =>
      setupStdio(plan, { stdio: LAUNCHER_STDIO, runtimePipes: elevated() })
    );
    const { spawned, programs } = await this.#sendProgram(plan, childFds);
    const { pid, channel, exited, kill, ref, unref } = spawned;
    if (channel === undefined) throw new Error("a launcher without a channel");
    const pipes = new ChildPipes(plan, this.#host, spawned, childFds.pipes);
    return await new Launch({
      plan,
      programs,
      channel,
      pid,
      exited,
      daemonPid: undefined,
      kill,
      killDaemon: (daemon, signal) => signalDaemon(pid, daemon, signal),
      ref,
      unref,
      ...defined({ openPipes: childFds.pipes.length === 0 ? undefined : () => pipes.open() }),
      takePipes: () => pipes.take(),
      closePipes: () => pipes.close(),
      failureActions: FAILURE_HANDLING,
    }).proceed(cancel);
  }

  /** Starts the launcher and sends it the program of a child. Closes the files of the child. */
  async #sendProgram(
    plan: Plan,
    childFds: ChildFds,
  ): Promise<{ readonly spawned: Spawned; readonly programs: Programs }> {
    let hookFile: UnlinkedFile | undefined;
    try {
      const support = {
        arch: this.#arch,
        runtime: () => hookRuntime(this.#host, plan, "launcher", { elevated: elevated() }),
        restore: restoreFor(plan),
        openBelow: openBelow(this.#kernel, childFds.above),
      };
      const { program, control, halves } = assemble(plan, childFds, support);
      if (halves !== undefined) {
        hookFile = createForChild(plan, () => writeUnlinkedProgram(halves.file));
      }
      const image = imageOf(this.#arch, program, control);
      if (image.message.length > ROOM) throw tooLongError(plan);
      const spawned = await this.#spawn(plan, stdioWith(childFds, hookFile?.fd));
      spawned.channel?.write(image.message);
      spawned.channel?.write(GO);
      return { spawned, programs: { encoded: image.encoded, afterHook: halves?.afterHook } };
    } finally {
      childFds.close();
      hookFile?.close();
    }
  }

  async #spawn(plan: Plan, stdio: readonly Stdio[]): Promise<Spawned> {
    const { path, close } = createForChild(plan, () => this.launcher);
    try {
      return await this.#spawner.spawn({ path, argv: [path], env: {}, stdio });
    } catch (error) {
      throw launcherError(plan, error);
    } finally {
      close();
    }
  }
}
