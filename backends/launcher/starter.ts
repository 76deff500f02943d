/**
 * The start of a child by way of the launcher: the runtime starts the launcher, which receives its
 * program over a socket and tells on the same socket how far it has come.
 *
 * @module
 */

import { closeSync, constants, openSync, writeSync } from "node:fs";
import process from "node:process";
import { isMainThread } from "node:worker_threads";
import { own, shielded } from "../../core/own.ts";
import type { Process, Sink } from "../../core/backend.ts";
import { errnoName, errnoText } from "../../core/errno.ts";
import { HandshakeError, SpawnError } from "../../core/errors.ts";
import { findStep, type Plan } from "../../core/plan.ts";
import type { Arch } from "../linux/arch.ts";
import type { Encoded } from "../linux/encoded.ts";
import { spawnError } from "../linux/failure.ts";
import type { Host } from "../linux/host.ts";
import { SystemCallError } from "../linux/libc.ts";
import { holderOf } from "../linux/pid_file.ts";
import { sinkOf, type Writer } from "../linux/sink.ts";
import { hookError, hookRuntime, parseTold, silentHook, type Told } from "../linux/talk.ts";
import { Tell } from "../linux/tell.ts";
import { accessTo, headOfFile } from "../posix/files.ts";
import { elevated } from "../posix/surroundings.ts";
import {
  type Channel,
  type Spawned,
  type Spawner,
  StartError,
  type Stdio,
} from "../spawner/spawner.ts";
import { assemble } from "./assembly.ts";
import { imageOf, launcherFile, ROOM } from "./boot.ts";
import { discardPidFile } from "./pid_file.ts";
import { patiently } from "../spawner/busy.ts";
import { type Placed, placeProgram } from "../spawner/place.ts";
import { descriptorError, intoChild, type Pipe, placedFor, stdioWith, wiresOf } from "./wires.ts";

const ETXTBSY = 26;
const E2BIG = 7;
const ENOEXEC = 8;
const SIGKILL = 9;

/** The launcher's own descriptors: nothing, and the channel. */
const STDIO = ["null", "null", "null", "channel"] as const;

const WORD = new Uint8Array([1]);

/** Starts children through the launcher. */
export class LauncherStarter {
  readonly #host: Host;
  readonly #arch: Arch;
  readonly #spawner: Spawner;
  #launcher: Placed | undefined;

  constructor(host: Host, arch: Arch, spawner: Spawner) {
    this.#host = host;
    this.#arch = arch;
    this.#spawner = spawner;
  }

  /** The launcher's file, written when it is first needed. */
  get launcher(): string {
    if (this.#launcher === undefined) {
      const placed = this.#launcher = placeProgram(launcherFile(this.#arch));
      // A worker's descriptors are the process's, and would stay when it has ended.
      if (!isMainThread) process.once("exit", () => placed.close());
    }
    return this.#launcher.path;
  }

  /** Starts a child and takes care of it until its end. */
  start(plan: Plan, cancel?: AbortSignal): Promise<Process> {
    return patiently(() => this.#attempt(plan, cancel), wasBusy);
  }

  async #attempt(plan: Plan, cancel: AbortSignal | undefined): Promise<Process> {
    // The kernel lets nobody look into the descriptors of a process whose ids differ.
    const wires = shielded(() => wiresOf(plan, { stdio: STDIO, own: elevated() }));
    let spawned: Spawned;
    let encoded: Encoded;
    let second: Encoded | undefined;
    let file: Placed | undefined;
    try {
      const support = { arch: this.#arch, runtime: hookRuntime(this.#host) };
      const { program, control, halves } = assemble(plan, wires, support);
      second = halves?.second;
      if (halves !== undefined) file = placedFor(plan, () => placeProgram(halves.file));
      const image = imageOf(this.#arch, program, control);
      if (image.message.length > ROOM) throw tooLong(plan);
      encoded = image.encoded;
      spawned = await this.#spawn(plan, stdioWith(wires, file?.fd));
      spawned.channel?.write(image.message);
      spawned.channel?.write(WORD);
    } finally {
      wires.close();
      file?.close();
    }
    const programs = { encoded, second };
    return await new Launch(plan, this.#host, spawned, programs, wires.pipes).proceed(cancel);
  }

  async #spawn(plan: Plan, stdio: readonly Stdio[]): Promise<Spawned> {
    const { launcher } = this;
    try {
      return await this.#spawner.spawn({ path: launcher, argv: ["vircommand"], env: {}, stdio });
    } catch (error) {
      throw startFailure(plan, error);
    }
  }
}

/** Whether the program could not be executed because somebody has it open for writing. */
export function wasBusy(error: unknown): boolean {
  return error instanceof SpawnError && error.step === "exec" && error.errno === ETXTBSY;
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

/** One child on its way to its program. */
class Launch {
  readonly #plan: Plan;
  readonly #host: Host;
  readonly #spawned: Spawned;
  readonly #programs: Programs;
  readonly #pipes: readonly Pipe[];
  readonly #channel: Channel;
  readonly #tell: Tell;
  #channelOpen = true;

  constructor(
    plan: Plan,
    host: Host,
    spawned: Spawned,
    programs: Programs,
    pipes: readonly Pipe[],
  ) {
    const { channel } = spawned;
    if (channel === undefined) throw new Error("a launcher without a channel");
    this.#plan = plan;
    this.#host = host;
    this.#spawned = spawned;
    this.#programs = programs;
    this.#pipes = pipes;
    this.#channel = channel;
    this.#tell = new Tell({
      start: (receiver) =>
        channel.listen((bytes) => receiver.chunk(bytes, true), () => receiver.end()),
      close: () => this.#close(),
    });
  }

  async proceed(cancel: AbortSignal | undefined): Promise<Process> {
    const kill = () => void this.#spawned.kill(SIGKILL);
    cancel?.addEventListener("abort", kill);
    if (cancel?.aborted === true) kill();
    let ends: readonly End[] = [];
    try {
      if (this.#pipes.length > 0 && await this.#tell.until((told) => told.pipes)) {
        ends = this.#openPipes();
        this.#channel.write(WORD);
      }
      const waits = await this.#tell.until((told) => told.waits);
      if (waits) return this.#waiting(this.#process(ends));
      const failure = this.#verdict();
      if (failure !== undefined && cancel?.aborted !== true) {
        await this.#spawned.exited;
        throw failure;
      }
      return this.#process(ends);
    } catch (error) {
      for (const { fd } of ends) closeSync(fd);
      kill();
      this.#close();
      await this.#spawned.exited;
      throw error;
    } finally {
      cancel?.removeEventListener("abort", kill);
    }
  }

  /** The process of a child that waits at its handshake. */
  #waiting(process: Process): Process {
    const release = async () => {
      const open = this.#channelOpen;
      this.#channel.write(WORD);
      await this.#tell.ended();
      const told = this.#told();
      const failure = failureTold(this.#plan, this.#programs, told);
      if (failure !== undefined) throw failure;
      if (!told.runs || !open) {
        throw new HandshakeError(`the child has ended: ${this.#plan.command}`);
      }
    };
    if (process.daemonPid === undefined) return { ...process, release };
    // A daemon in the making is not our child: it is ended by taking our word back.
    return { ...process, release, kill: () => this.#close() };
  }

  #process(ends: readonly End[]): Process {
    const { pid, exited, kill, hold } = this.#spawned;
    const pipes: { -readonly [K in "stdin" | "stdout" | "stderr"]?: Process[K] } = own({});
    for (const name of ["stdin", "stdout", "stderr"] as const) {
      const own = this.#spawned[name];
      if (own !== undefined) Object.assign(pipes, { [name]: own });
    }
    const buffers: Sink[] = [];
    for (const { carries, fd } of ends) {
      if (carries === "buffer") buffers.push(sinkOf(WRITER, this.#host, fd));
      else if (carries === "stdin") pipes.stdin = sinkOf(WRITER, this.#host, fd);
      else pipes[carries] = this.#host.source(fd);
    }
    const { daemonPid } = this.#told();
    return {
      pid: daemonPid ?? pid,
      exited: exited.then((exit) => {
        this.#close();
        return exit;
      }),
      buffers,
      ...pipes,
      ...(daemonPid === undefined ? {} : { daemonPid }),
      kill: (signal) => daemonPid === undefined && kill(signal),
      hold: (held) => {
        hold(held);
        if (this.#channelOpen) this.#channel.hold(held);
      },
    };
  }

  /** Opens our ends of the pipes that the child has made. */
  #openPipes(): readonly End[] {
    const ends: End[] = [];
    try {
      for (const pipe of this.#pipes) {
        const write = intoChild(pipe);
        const path = `/proc/${this.#spawned.pid}/fd/${write ? pipe.write : pipe.read}`;
        const how = write ? constants.O_WRONLY : constants.O_RDONLY;
        try {
          const fd = openSync(path, how | constants.O_NONBLOCK);
          ends.push({ carries: pipe.carries, fd });
        } catch (error) {
          const args = ["AT_FDCWD", JSON.stringify(path)];
          throw descriptorError(this.#plan, error, "openat", args, path);
        }
      }
      return ends;
    } catch (error) {
      for (const { fd } of ends) closeSync(fd);
      throw error;
    }
  }

  /** What became of a child that tells no more; undefined if its program runs. */
  #verdict(): SpawnError | undefined {
    const told = this.#told();
    const failure = failureTold(this.#plan, this.#programs, told);
    if (failure !== undefined || told.runs) return failure;
    const hook = findStep(this.#plan, "preExec") !== undefined;
    return hook ? silentHook(this.#plan) : silentLauncher(this.#plan);
  }

  #told(): Told {
    return parseTold(this.#tell.bytes());
  }

  /** Closes the channel; whether it was open. */
  #close(): boolean {
    const open = this.#channelOpen;
    this.#channelOpen = false;
    if (open) this.#channel.close();
    return open;
  }
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
  close: (fd) => closeSync(fd),
  error: (call, result) =>
    new SystemCallError(call, -result, errnoName(-result), errnoText(-result)),
};

/** Our end of a pipe. */
interface End {
  readonly carries: Pipe["carries"];
  readonly fd: number;
}

/** A child program, and with a hook the second half of it. */
export interface Programs {
  readonly encoded: Encoded;
  readonly second: Encoded | undefined;
}

/** The failure that a child has told of, if it has. */
export function failureTold(
  plan: Plan,
  { encoded, second }: Programs,
  told: Told,
): SpawnError | undefined {
  if (told.hook !== undefined) {
    discardPidFileOf(plan, told.daemonPid);
    return hookError(plan, told.hook);
  }
  if (told.notes === undefined) return undefined;
  const program = told.secondHalf ? second ?? encoded : encoded;
  return failureOf(plan, program, told.notes, told.daemonPid);
}

function discardPidFileOf(plan: Plan, daemonPid: number | undefined): void {
  const pidFile = findStep(plan, "pidFile");
  if (pidFile !== undefined && daemonPid !== undefined) discardPidFile(pidFile.path, daemonPid);
}

/** The error for the notes of a program that gave up. */
function failureOf(
  plan: Plan,
  encoded: Encoded,
  notes: Uint8Array,
  daemonPid: number | undefined,
): SpawnError {
  const failure = encoded.failure(notes);
  if (failure === undefined) return silentLauncher(plan);
  const { call, errno } = failure;
  if (call.step !== "pidFile") discardPidFileOf(plan, daemonPid);
  const files = { access: accessTo, head: headOfFile };
  return spawnError(call, errno, plan.command, files, holderOf(encoded, notes, call));
}

/** The launcher has ended without a word: it was killed, or the kernel would not run it. */
export function silentLauncher(plan: Plan): SpawnError {
  return new SpawnError({
    step: "clone",
    syscall: "execve",
    args: ["<launcher>"],
    errno: ENOEXEC,
    detail: "the launcher ended before the program ran",
    command: plan.command,
  });
}

function tooLong(plan: Plan): SpawnError {
  return new SpawnError({
    step: "exec",
    syscall: "execve",
    args: [],
    errno: E2BIG,
    detail: "E2BIG: arguments and environment are too long for the kernel",
    command: plan.command,
  });
}
