/**
 * The start of children whose plan needs a second stage, see stages.ts. They report on a control
 * channel from there on, see launch.ts.
 *
 * @module
 */

import type { Exit, Process } from "../../core/backend.ts";
import { concat } from "../../core/bytes.ts";
import { KillError } from "../../core/errors.ts";
import { findStep, type Plan } from "../../core/plan/plan.ts";
import { E } from "../../core/tables/kernel.ts";
import { isReadable } from "./poll.ts";
import { SIGKILL } from "../../core/timing.ts";
import { Launch } from "../child_program/launch.ts";
import {
  type FailureActions,
  failureOf,
  type Programs,
  withNotes,
} from "../child_program/launch_failure.ts";
import { DAEMON_PID } from "../child_program/lower_daemon.ts";
import { parseStatus, type Status } from "../child_program/protocol.ts";
import { isDaemon } from "../child_program/stages.ts";
import type { ChildFds } from "./child_fds.ts";
import { type Children, endWatched, type Running } from "./children.ts";
import type { Cloned } from "./clone.ts";
import { PipeChannel } from "./pipe_channel.ts";
import { isMissing } from "./primitives.ts";
import { reap, type Watch } from "./reaper.ts";
import type { StageFiles, TwoStageStart } from "./stage_two.ts";

/**
 * How long a start blocks this thread to wait for the second stage, in milliseconds. Most are over in
 * a fraction of that.
 */
const BLOCKING_WAIT_MS = 3;

/** How long this process waits for the end of a daemon that it has killed, in milliseconds. */
const KILL_WAIT_MS = 50;

/** How long a killed child may take to end, in milliseconds; a dead file system can hold it. */
const KILL_TIMEOUT_MS = 1000;

/** A child in its second stage. */
interface StageTwoChild {
  readonly cloned: Cloned;
  readonly programs: Programs;
  readonly channel: PipeChannel;
  /** Of a daemon that was made in shared memory; one made in a copy of it reports its pid. */
  readonly daemonPid: number | undefined;
}

/** Starts children with a second stage. */
export class TwoStageStarter {
  readonly #children: Children;
  readonly #stages: StageFiles;
  readonly #failureActions: FailureActions;

  constructor(children: Children, stages: StageFiles, failureActions: FailureActions) {
    this.#children = children;
    this.#stages = stages;
    this.#failureActions = failureActions;
  }

  /** Starts a child; it runs its program, or is ready, when this resolves. */
  async start(plan: Plan, childFds: ChildFds, cancel?: AbortSignal): Promise<Process> {
    const child = this.#clone(plan, childFds, { pidfd: false });
    let watch: Watch | undefined;
    let launch: Launch;
    try {
      waitBriefly(plan, child.channel);
      watch = child.daemonPid === undefined
        ? this.#children.reaper.watch(child.cloned.pid)
        : watchOfReaped(reap(this.#children.kernel, child.cloned.pid));
      launch = this.#launch(plan, child, watch, childFds);
    } catch (error) {
      if (watch === undefined) {
        this.#end(child);
      } else {
        child.channel.close();
        endWatched(watch);
      }
      throw error;
    }
    return await launch.proceed(cancel);
  }

  #launch(plan: Plan, child: StageTwoChild, watch: Watch, childFds: ChildFds): Launch {
    const { cloned, programs, channel, daemonPid } = child;
    const { exited, kill, ref, unref } = watch;
    return new Launch({
      plan,
      programs,
      channel,
      pid: cloned.pid,
      exited,
      daemonPid,
      kill,
      killDaemon: (pid, signal) => this.#killDaemon(channel, pid, signal),
      ref,
      unref,
      takePipes: () => this.#children.connect(childFds.takeParentEnds(), exited),
      closePipes: () => {},
      failureActions: this.#failureActions,
    });
  }

  /**
   * Starts a child and blocks this thread meanwhile. One whose start takes longer than `timeout`
   * milliseconds is killed, and returned as it is.
   */
  startSync(plan: Plan, childFds: ChildFds, timeout: number | undefined): Running {
    const child = this.#clone(plan, childFds, { pidfd: true });
    const { cloned, programs, channel } = child;
    const { pid, pidfd } = cloned;
    let late: boolean;
    let failure: Error | undefined;
    let daemonPid: number | undefined;
    try {
      late = !channel.waitForEnd(timeout ?? Infinity);
      if (late) {
        this.#killDaemonOf(child);
        this.#children.kernel.raw("kill", pid, SIGKILL);
        // Its pid file is removed when it is gone, and its locks with it.
        channel.waitForEnd(KILL_TIMEOUT_MS);
      }
      const status = statusOf(child);
      failure = failureOf(plan, programs, status, { ...this.#failureActions, cancelled: late });
      daemonPid = late ? undefined : status.daemonPid;
      channel.close();
    } catch (error) {
      this.#end(child);
      throw error;
    }
    if (failure === undefined) return { pid, pidfd, daemonPid, late };
    this.#children.reap(cloned);
    throw failure;
  }

  /** Opens the control channel and clones. Afterwards only our ends of it are open here. */
  #clone(plan: Plan, childFds: ChildFds, { pidfd }: { readonly pidfd: boolean }): StageTwoChild {
    for (;;) {
      const start = this.#stages.prepare(plan, childFds.mappings);
      try {
        const { program, memory, report } = start;
        const cloned = this.#children.clone(plan, program, { memory, pidfd, report });
        const { encoded, notes } = cloned;
        const failure = this.#children.failureIn(cloned);
        if (notes === undefined || failure === undefined) return this.#childOf(plan, start, cloned);
        this.#children.reap(cloned);
        if (this.#stages.isRefused(failure)) continue;
        throw withNotes(plan, encoded, notes, undefined, this.#failureActions);
      } finally {
        start.close();
      }
    }
  }

  #childOf(plan: Plan, start: TwoStageStart, cloned: Cloned): StageTwoChild {
    const { kernel, host } = this.#children;
    const programs = { encoded: start.stageTwo ?? cloned.encoded, afterHook: start.afterHook };
    const channel = new PipeChannel(kernel, host, start.takeParentEnds());
    const daemonPid = isDaemon(plan) && cloned.notes !== undefined
      ? cloned.encoded.cell(cloned.notes, DAEMON_PID).getInt32(0, true)
      : undefined;
    return { cloned, programs, channel, daemonPid };
  }

  /** Ends a child whose start has failed here, and closes everything that belongs to it. */
  #end(child: StageTwoChild): void {
    this.#killDaemonOf(child);
    child.channel.close();
    this.#children.end(child.cloned);
  }

  /** Kills the daemon that a child has made, if it has. The child has ended, and is not reaped yet. */
  #killDaemonOf(child: StageTwoChild): void {
    const { daemonPid } = statusOf(child);
    if (daemonPid === undefined) return;
    try {
      this.#killDaemon(child.channel, daemonPid, SIGKILL);
    } catch (error) {
      // It ends when it finds its channel closed.
      if (!(error instanceof KillError)) throw error;
    }
  }

  /**
   * Sends a signal to a daemon; false if it has ended. It is not our child, so its pid may be another
   * process's then. A pidfd stays that of one process: if the daemon's end of the channel is still
   * open once we have the pidfd, it is the daemon's. Without a pidfd, a daemon that ends between that
   * check and the signal is missed.
   */
  #killDaemon(channel: PipeChannel, pid: number, signal: number): boolean {
    const { kernel } = this.#children;
    const opened = kernel.raw("pidfd_open", pid, 0);
    if (opened === -E.ESRCH) return false;
    const pidfd = kernel.aboveStandardOrSame(opened);
    try {
      if (channel.isHungUp) return false;
      const sent = pidfd < 0 ? pidfd : kernel.raw("pidfd_send_signal", pidfd, signal, 0, 0);
      const byPid = pidfd < 0 || isMissing(sent);
      const result = byPid ? kernel.raw("kill", pid, signal) : sent;
      if (result < 0 && result !== -E.ESRCH) throw new KillError({ pid, signal, errno: -result });
      // It may have closed the channel already, by its exec: then nothing else tells its end.
      if (signal === SIGKILL && result === 0 && pidfd >= 0) {
        isReadable(kernel, pidfd, KILL_WAIT_MS);
      }
      return result === 0;
    } finally {
      if (pidfd >= 0) kernel.close(pidfd);
    }
  }
}

/** Waits for the next report; but not for a hook, which takes as long as a runtime takes to start. */
function waitBriefly(plan: Plan, channel: PipeChannel): void {
  if (findStep(plan, "preExec") !== undefined) return;
  if (findStep(plan, "handshake") !== undefined) channel.waitForReport(BLOCKING_WAIT_MS);
  else channel.waitForEnd(BLOCKING_WAIT_MS);
}

/** What a child has reported so far. */
function statusOf({ channel, daemonPid }: StageTwoChild): Status {
  const status = parseStatus(concat(channel.early));
  return daemonPid === undefined ? status : { ...status, daemonPid };
}

/** The watch of a child that was reaped already. */
function watchOfReaped(exit: Exit | undefined): Watch {
  if (exit === undefined) throw new Error("a process that was waited for is still there");
  return { exited: Promise.resolve(exit), kill: () => false, ref() {}, unref() {} };
}
