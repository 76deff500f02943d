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

import { signals } from "../../core/tables/signals.ts";
import { after } from "../../core/command/options.ts";
import { startTimer, type Timer } from "../../core/clock.ts";
import { SIGKILL } from "../../core/timing.ts";
import type { Exit, Process } from "../../core/backend.ts";
import { HandshakeError, KillError, type SpawnError } from "../../core/errors.ts";
import { findStep, type Plan } from "../../core/plan/plan.ts";
import { type ControlChannel, GO, type Status } from "./protocol.ts";
import { discardPidFile, type FailureActions, failureOf, type Programs } from "./launch_failure.ts";
import { isDaemon } from "./stages.ts";
import { StatusReader } from "./status_reader.ts";

/** How long the last reports of a child may take to arrive after its end, in milliseconds. */
const LAST_REPORT_MS = 200;

/**
 * How long a child may go on after an abort before it is killed, in milliseconds: the report that
 * its program runs may be in the pipe already.
 */
const ABORT_DELAY_MS = 20;

/** How long a daemon that was killed may take to end, in milliseconds. */
const KILL_TIMEOUT_MS = 1000;

/** Signals that end no program by default: none, SIGCHLD, SIGCONT, SIGURG, SIGWINCH; see signal(7). */
const HARMLESS_SIGNALS: ReadonlySet<number> = new Set([
  0,
  signals.SIGCHLD,
  signals.SIGCONT,
  signals.SIGURG,
  signals.SIGWINCH,
]);

/** A child that a driver has started, and what the launch needs from the driver. */
export interface StartedChild {
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
   * Sends a signal to the daemon; false if it has ended. It is not our child, so its pid may be
   * another process's after its end: the driver checks that first.
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
  readonly failureActions: FailureActions;
}

/** The launch of one child: from its start to the exec of its program. */
export class Launch {
  readonly #child: StartedChild;
  readonly #reader: StatusReader;
  readonly #exited: Promise<Exit>;
  #channelOpen = true;
  /** The last signal that was sent to a daemon, or to its parent while there was no daemon. */
  #sent: { readonly signal: number; readonly pid: number } | undefined;

  constructor(child: StartedChild) {
    this.#child = child;
    this.#reader = new StatusReader(child.channel);
    void this.#reader.ended.then(() => this.#closeChannel());
    this.#exited = isDaemon(child.plan) ? this.#daemonExited() : this.#childExited();
    // The process has the same promise; until it is handed over, the launch itself fails.
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
    // A program that runs already is ended like any other: by the signal that was chosen for it.
    let timer: Timer | undefined;
    const killSoon = () => timer = startTimer(ABORT_DELAY_MS, kill);
    cancel?.addEventListener("abort", killSoon);
    if (cancel?.aborted === true) kill();
    try {
      return await Promise.race([this.#progress(cancel, kill), refused]);
    } catch (error) {
      const { closePipes, exited, unref } = this.#child;
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
      timer?.stop();
      cancel?.removeEventListener("abort", killSoon);
    }
  }

  async #progress(cancel: AbortSignal | undefined, kill: () => void): Promise<Process> {
    const { plan, openPipes, channel } = this.#child;
    if (openPipes !== undefined && await this.#reader.until(({ pipes }) => pipes)) {
      try {
        await openPipes();
      } catch (error) {
        // A child that was killed meanwhile has none.
        if (cancel?.aborted !== true) throw error;
      }
      channel.write(GO);
    }
    // An abort that came before the daemon's pid was known is carried out now.
    if (isDaemon(plan) && await this.#reader.until((status) => this.#daemonPid(status) > 0)) {
      if (cancel?.aborted === true) kill();
    }
    if (await this.#reader.until(({ ready }) => ready)) return this.#waiting();
    const cancelled = cancel?.aborted === true;
    const failure = this.#failure({ cancelled });
    if (failure !== undefined && !cancelled) throw failure;
    return this.#running();
  }

  /** The process of a child whose program runs, or that was ended before. */
  #running(): Process {
    const status = this.#reader.status();
    const daemonPid = isDaemon(this.#child.plan) ? this.#daemonPid(status) : undefined;
    if (daemonPid === undefined || this.#endedBy() !== undefined) return this.#process();
    return { ...this.#process(), daemonPid };
  }

  /** The process of a child that waits at its handshake. */
  #waiting(): Process {
    const { plan, channel } = this.#child;
    const release = async () => {
      const open = this.#channelOpen;
      if (open) channel.write(GO);
      await this.#reader.ended;
      const failure = this.#failure({ cancelled: this.#endedBy() !== undefined });
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
    const { plan, pid, ref, unref, takePipes, channel } = this.#child;
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
    return this.#child.daemonPid ?? status.daemonPid ?? 0;
  }

  /** A daemon whose program runs is not signalled: the limits of its start are not those of its run. */
  #kill(signal: number): boolean {
    const { plan, kill, killDaemon } = this.#child;
    if (!isDaemon(plan)) return kill(signal);
    const pid = this.#daemonPid(this.#reader.status());
    const over = !this.#channelOpen || this.#reader.isOver;
    const sent = pid === 0 ? kill(signal) : !over && killDaemon(pid, signal);
    if (sent && !HARMLESS_SIGNALS.has(signal)) this.#sent = { signal, pid };
    return sent;
  }

  /** The signal of ours that has ended a daemon before its program, if one has. */
  #endedBy(): number | undefined {
    // A signal to its parent may have come too late: the daemon was made already.
    const pid = this.#daemonPid(this.#reader.status());
    return this.#sent?.pid === pid ? this.#sent.signal : undefined;
  }

  async #childExited(): Promise<Exit> {
    const exit = await this.#child.exited;
    if (findStep(this.#child.plan, "preExec") !== undefined && !this.#reader.isOver) {
      // A process that the hook has started may have inherited the child's end of the channel.
      const timer = startTimer(LAST_REPORT_MS, () => this.#reader.stop());
      void this.#reader.ended.then(() => timer.stop());
    }
    return exit;
  }

  async #daemonExited(): Promise<Exit> {
    const { plan, exited } = this.#child;
    await this.#reader.ended;
    const exit = await exited;
    const status = this.#reader.status();
    const signal = this.#endedBy();
    if (signal !== undefined) {
      await this.#daemonGone();
      this.#discardPidFile(status);
      return { ...exit, raw: signal };
    }
    if (status.executing && status.notes === undefined) return exit;
    this.#discardPidFile(status);
    throw this.#failure({ cancelled: false }) ??
      new HandshakeError(`the daemon has ended before its program: ${plan.command}`, plan);
  }

  /** A daemon that was killed while it executed its program has closed the channel before its end. */
  async #daemonGone(): Promise<void> {
    const { signal, pid } = this.#sent ?? { signal: 0, pid: 0 };
    if (signal !== SIGKILL || pid === 0) return;
    for (let ms = 0; ms < KILL_TIMEOUT_MS && this.#child.killDaemon(pid, 0); ms++) {
      await new Promise<void>((resolve) => after(1, resolve));
    }
  }

  #failure(
    { cancelled }: { readonly cancelled: boolean },
  ): SpawnError | HandshakeError | undefined {
    const { plan, programs, failureActions } = this.#child;
    const status = this.#reader.status();
    const known = this.#daemonPid(status);
    const daemonPid = known === 0 ? undefined : known;
    return failureOf(plan, programs, { ...status, daemonPid }, { ...failureActions, cancelled });
  }

  #discardPidFile(status: Status): void {
    const { plan, failureActions } = this.#child;
    discardPidFile(plan, this.#daemonPid(status), failureActions);
  }

  #closeChannel(): void {
    if (!this.#channelOpen) return;
    this.#channelOpen = false;
    this.#child.channel.close();
  }
}
