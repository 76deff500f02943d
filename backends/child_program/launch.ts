/**
 * The start of a child that reports on a control channel, from its first report to the exec of its
 * program: the pipes, the handshake, the hook, the daemon, cancellation and failure, whichever
 * driver has made the child.
 *
 * From its report on, a daemon is the child: the end of its channel is its end, and its pid is what
 * is signalled. The process that was started, and that ended when the daemon was made, only counts
 * for its exit status.
 *
 * @module
 */

import { SIGKILL } from "../../core/timing.ts";
import type { Exit, Process } from "../../core/backend.ts";
import { HandshakeError, KillError, SpawnError } from "../../core/errors.ts";
import { findStep, type Plan } from "../../core/plan/plan.ts";
import { type ControlChannel, GO, type Status } from "./protocol.ts";
import type { Encoded } from "./encoded.ts";
import { type Files, spawnError } from "./failure.ts";
import { hookError, silentHook } from "./hook_split.ts";
import { hasCreated, pidFileProblem } from "./pid_file_problem.ts";
import { isDaemon } from "./stages.ts";
import { E } from "../../core/tables/kernel.ts";
import { StatusReader } from "./status_reader.ts";

/** How long what a child has reported may take to arrive after its end, in milliseconds. */
const LEFT_BEHIND = 200;
/** How long it may take to arrive that a program runs, in milliseconds. */
const ON_ITS_WAY = 20;

/** The programs of a child, to make sense of the notes that it reports. */
export interface Programs {
  readonly encoded: Encoded;
  /** With a hook: what comes after it. */
  readonly afterHook: Encoded | undefined;
}

/** What the launch needs from the driver. */
export interface Launched {
  readonly plan: Plan;
  readonly programs: Programs;
  readonly channel: ControlChannel;
  /** Our child: the program to be, or the process that makes the daemon. */
  readonly pid: number;
  readonly exited: Promise<Exit>;
  /** The daemon's pid, if it is known without its report. */
  readonly daemonPid: number | undefined;
  /** Sends a signal to our child; false if it is gone. Throws a KillError if that is refused. */
  kill(signal: number): boolean;
  /**
   * Sends a signal to the daemon, which is not our child, so that its pid may be another process's
   * when it has ended: only after it was made sure that it has not. False if it has.
   */
  killDaemon(pid: number, signal: number): boolean;
  ref(): void;
  unref(): void;
  /** Opens our ends of the pipes that the child has made, if it makes them. */
  openPipes?(): Promise<void>;
  /** Hands over our ends of the pipes. */
  takePipes(): Pick<Process, "stdin" | "stdout" | "stderr" | "buffers">;
  /** Closes those that were not handed over. */
  closePipes(): void;
  readonly blame: Blame;
}

/** What is needed to say what went wrong, and to tidy up after it. */
export interface Blame {
  readonly files: Files;
  /** Removes the pid file of a daemon that did not come to its program. */
  discardPidFile(path: string, pid: number): void;
  /** Removes one that the daemon has made, and did not come to lock or to write. */
  discardUnfinished(path: string, pid: number): void;
}

/** One child on its way to its program. */
export class Launch {
  readonly #launched: Launched;
  readonly #reader: StatusReader;
  readonly #exited: Promise<Exit>;
  #channelOpen = true;
  /** The last signal that was sent to a daemon, or to what was to make it. */
  #sent: { readonly signal: number; readonly pid: number } | undefined;

  constructor(launched: Launched) {
    this.#launched = launched;
    this.#reader = new StatusReader(launched.channel);
    void this.#reader.ended.then(() => this.#closeChannel());
    this.#exited = isDaemon(launched.plan) ? this.#daemonExited() : this.#childExited();
    // Whoever waits for the process gets it; before that it is the launch that fails.
    this.#exited.catch(() => {});
  }

  /**
   * Resolves when the program runs, or the child is ready; or when it was cancelled. A child that may
   * not be signalled is not waited for any more.
   */
  async proceed(cancel: AbortSignal | undefined): Promise<Process> {
    let refuse: (error: unknown) => void = () => {};
    const refused = new Promise<never>((_, reject) => refuse = reject);
    const kill = () => {
      try {
        this.#kill(SIGKILL);
      } catch (error) {
        refuse(error);
      }
    };
    // A program that runs already is ended as any other, with the signal that was chosen for it.
    let timer: ReturnType<typeof setTimeout> | undefined;
    const killSoon = () => timer = setTimeout(kill, ON_ITS_WAY);
    cancel?.addEventListener("abort", killSoon);
    if (cancel?.aborted === true) kill();
    try {
      return await Promise.race([this.#progress(cancel, kill), refused]);
    } catch (error) {
      const { closePipes, exited, unref } = this.#launched;
      closePipes();
      if (error instanceof KillError) {
        unref();
        this.#closeChannel();
        exited.catch(() => {});
        throw error;
      }
      kill();
      this.#closeChannel();
      await exited;
      throw error;
    } finally {
      refused.catch(() => {});
      clearTimeout(timer);
      cancel?.removeEventListener("abort", killSoon);
    }
  }

  async #progress(cancel: AbortSignal | undefined, kill: () => void): Promise<Process> {
    const { plan, openPipes, channel } = this.#launched;
    if (openPipes !== undefined && await this.#reader.until(({ pipes }) => pipes)) {
      try {
        await openPipes();
      } catch (error) {
        // A child that was killed meanwhile has none.
        if (cancel?.aborted !== true) throw error;
      }
      channel.write(GO);
    }
    // A daemon that is known only now may be what is to be killed.
    if (isDaemon(plan) && await this.#reader.until((status) => this.#daemonPid(status) > 0)) {
      if (cancel?.aborted === true) kill();
    }
    if (await this.#reader.until(({ ready }) => ready)) return this.#waiting();
    const cancelled = cancel?.aborted === true;
    const failure = this.#failure(cancelled);
    if (failure !== undefined && !cancelled) throw failure;
    return this.#running();
  }

  /** The process of a child whose program runs, or that was ended before. */
  #running(): Process {
    const status = this.#reader.status();
    const daemonPid = isDaemon(this.#launched.plan) ? this.#daemonPid(status) : undefined;
    // A daemon that was ended by us is left to nobody.
    const runs = daemonPid !== undefined && this.#endedBy() === undefined;
    return { ...this.#process(), ...(runs ? { daemonPid } : {}) };
  }

  /** The process of a child that waits at its handshake. */
  #waiting(): Process {
    const { plan, channel } = this.#launched;
    const release = async () => {
      const open = this.#channelOpen;
      if (open) channel.write(GO);
      await this.#reader.ended;
      const failure = this.#failure(this.#endedBy() !== undefined);
      if (failure !== undefined) throw failure;
      if (!this.#reader.status().executing || !open) {
        throw new HandshakeError(`the child has ended: ${plan.command}`, plan);
      }
    };
    const process = { ...this.#process(), release };
    if (!isDaemon(plan)) return process;
    return { ...process, daemonPid: this.#daemonPid(this.#reader.status()) };
  }

  #process(): Process {
    const { plan, pid, ref, unref, takePipes, channel } = this.#launched;
    const daemonPid = this.#daemonPid(this.#reader.status());
    return {
      pid: isDaemon(plan) && daemonPid > 0 ? daemonPid : pid,
      exited: this.#exited,
      ...takePipes(),
      kill: (signal) => this.#kill(signal),
      ref: () => {
        ref();
        if (this.#channelOpen) channel.ref();
      },
      unref: () => {
        unref();
        if (this.#channelOpen) channel.unref();
      },
    };
  }

  /** The daemon's pid; 0 while it is not known. */
  #daemonPid(status: Status): number {
    return this.#launched.daemonPid ?? status.daemonPid ?? 0;
  }

  /** A daemon whose program runs is out of reach: its starter's limits are not meant for it. */
  #kill(signal: number): boolean {
    const { plan, kill, killDaemon } = this.#launched;
    if (!isDaemon(plan)) return kill(signal);
    const pid = this.#daemonPid(this.#reader.status());
    const over = !this.#channelOpen || this.#reader.isOver;
    const sent = pid === 0 ? kill(signal) : !over && killDaemon(pid, signal);
    if (sent && signal !== 0) this.#sent = { signal, pid };
    return sent;
  }

  /** The signal of ours that has ended a daemon before its program, if one has. */
  #endedBy(): number | undefined {
    // What was to make it may have been ended too late for that.
    const pid = this.#daemonPid(this.#reader.status());
    return this.#sent?.pid === pid ? this.#sent.signal : undefined;
  }

  async #childExited(): Promise<Exit> {
    const exit = await this.#launched.exited;
    if (findStep(this.#launched.plan, "preExec") !== undefined && !this.#reader.isOver) {
      // A process that the hook has left behind may have a copy of the child's end.
      const timer = setTimeout(() => this.#reader.stop(), LEFT_BEHIND);
      void this.#reader.ended.then(() => clearTimeout(timer));
    }
    return exit;
  }

  async #daemonExited(): Promise<Exit> {
    const { plan, exited } = this.#launched;
    await this.#reader.ended;
    const exit = await exited;
    const status = this.#reader.status();
    const signal = this.#endedBy();
    if (signal !== undefined) {
      this.#discardPidFile(status);
      return { ...exit, raw: signal };
    }
    if (status.executing && status.notes === undefined) return exit;
    this.#discardPidFile(status);
    throw this.#failure(false) ??
      new HandshakeError(`the daemon has ended before its program: ${plan.command}`, plan);
  }

  #failure(cancelled: boolean): SpawnError | HandshakeError | undefined {
    const { plan, programs, blame } = this.#launched;
    const status = this.#reader.status();
    const known = this.#daemonPid(status);
    return failureOf(plan, programs, { ...status, daemonPid: known === 0 ? undefined : known }, {
      ...blame,
      cancelled,
    });
  }

  #discardPidFile(status: Status): void {
    const { plan, blame } = this.#launched;
    discardPidFileOf(plan, this.#daemonPid(status), blame);
  }

  #closeChannel(): void {
    if (!this.#channelOpen) return;
    this.#channelOpen = false;
    this.#launched.channel.close();
  }
}

/**
 * What became of a child whose channel has ended: its failure, or undefined if its program runs.
 * A child that we have ended ourselves has not failed.
 */
export function failureOf(
  plan: Plan,
  { encoded, afterHook }: Programs,
  status: Status,
  blame: Blame & { readonly cancelled: boolean },
): SpawnError | HandshakeError | undefined {
  if (status.hookFailure !== undefined) {
    discardPidFileOf(plan, status.daemonPid, blame);
    return hookError(plan, status.hookFailure);
  }
  if (status.notes !== undefined) {
    const program = status.hookDone ? afterHook ?? encoded : encoded;
    return withNotes(plan, program, status.notes, status.daemonPid, blame);
  }
  if (status.executing) return undefined;
  discardPidFileOf(plan, status.daemonPid, blame);
  if (blame.cancelled) return undefined;
  if (findStep(plan, "preExec") !== undefined && !status.hookDone) return silentHook(plan);
  if (findStep(plan, "handshake") !== undefined) {
    return new HandshakeError(`the child ended before it was ready: ${plan.command}`, plan);
  }
  return silentChild(plan);
}

/** The error for the notes of a program that gave up. */
export function withNotes(
  plan: Plan,
  encoded: Encoded,
  notes: Uint8Array,
  daemonPid: number | undefined,
  blame: Blame,
): SpawnError {
  const failure = encoded.failure(notes);
  if (failure === undefined) return silentChild(plan);
  const { call, errno } = failure;
  if (call.step !== "pidFile") discardPidFileOf(plan, daemonPid, blame);
  else if (hasCreated(encoded, notes)) discardPidFileOf(plan, daemonPid, blame, "unfinished");
  const problem = pidFileProblem(encoded, notes, failure);
  return spawnError(call, errno, plan.command, blame.files, problem);
}

function discardPidFileOf(
  plan: Plan,
  daemonPid: number | undefined,
  blame: Blame,
  state: "written" | "unfinished" = "written",
): void {
  const pidFile = findStep(plan, "pidFile");
  if (pidFile === undefined || daemonPid === undefined || daemonPid === 0) return;
  if (state === "written") blame.discardPidFile(pidFile.path, daemonPid);
  else blame.discardUnfinished(pidFile.path, daemonPid);
}

/** The child has ended without a report: it was killed, or the kernel would not run its file. */
export function silentChild(plan: Plan): SpawnError {
  return new SpawnError({
    step: "clone",
    syscall: "execveat",
    args: ["<program file>"],
    errno: E.ENOEXEC,
    detail: "the child ended before its program ran",
    command: plan.command,
  });
}
