/**
 * The start of a native child: wiring, lowering, cloning, and what came of it.
 *
 * Most children are started with the parent suspended until they have exec'ed or failed; the
 * outcome then stands in shared memory. Those whose plan needs a second stage, see stages.ts, report
 * on a control channel from there on, see launch.ts.
 *
 * @module
 */

import { SIGKILL } from "../../core/timing.ts";
import type { Exit, Process, Sink } from "../../core/backend.ts";
import { type Layout, layout, type Mapping } from "../../core/plan/descriptors.ts";
import { KillError, SpawnError, SystemCallError } from "../../core/errors.ts";
import { shielded } from "../../core/own.ts";
import { findStep, type Plan } from "../../core/plan/plan.ts";
import type { Cloned, CloneOptions, Cloner } from "./clone.ts";
import type { Call, Program } from "../child_program/call.ts";
import { parseStatus, type Status } from "../child_program/protocol.ts";
import { RESET_ALL, resetIgnored } from "../child_program/dispositions.ts";
import { type Files, spawnError } from "../child_program/failure.ts";
import { accessOf, headOf, textOf } from "./files.ts";
import type { Host } from "../spawner/host.ts";
import { isMissing } from "./primitives.ts";
import { hasCloseRange, openBelow } from "./open_descriptors.ts";
import type { Kernel } from "./kernel.ts";
import { E } from "../../core/tables/kernel.ts";
import { Environ } from "./environ.ts";
import type { Word } from "../child_program/word.ts";
import {
  type Blame,
  failureOf,
  Launch,
  type Programs,
  withNotes,
} from "../child_program/launch.ts";
import { lowerPlan } from "../child_program/lower.ts";
import { DAEMON_PID } from "../child_program/lower_daemon.ts";
import { discardPidFile, discardUnfinished } from "./pid_file.ts";
import { PipeChannel } from "./pipe_channel.ts";
import { reap, Reaper, type Watch } from "./reaper.ts";
import { adoptedSink } from "./adopted.ts";
import { sourceOf } from "./source.ts";
import { type Stage, type StagedPlan, StageFiles } from "./stage_two.ts";
import { isDaemon, needsStageTwo } from "../child_program/stages.ts";
import { ETXTBSY_DELAYS_MS, retryOnTextBusy } from "../spawner/text_busy.ts";
import { ignoredIn } from "../posix/signals.ts";
import { requirePermitted } from "../permitted.ts";
import { type ChildFds, type ParentEnd, setupStdio } from "./child_fds.ts";
import { concat } from "../../core/bytes.ts";

/** A child whose end SIGCHLD tells of is watched by its pid. */
const NO_PIDFD = { pidfd: false };

/**
 * How long to wait for a second stage while this process stands still, in milliseconds. Most are
 * over in a fraction of that.
 */
const BRIEFLY = 3;

/** How long a killed child may take to end, in milliseconds; a dead file system can hold it. */
const TO_END = 1000;

/** A child that runs its program. */
export interface Running {
  /** Of the process that is our child: the program, or the one that made the daemon. */
  readonly pid: number;
  /** The same; -1 if it was not asked for. */
  readonly pidfd: number;
  readonly daemonPid: number | undefined;
  /** Whether it was killed because it took too long to come to its program. */
  readonly late?: boolean;
}

/** A child in its second stage. */
interface Staged {
  readonly cloned: Cloned;
  readonly programs: Programs;
  readonly channel: PipeChannel;
  /** Of a daemon that was made in shared memory; one made in a copy of it reports its pid. */
  readonly daemonPid: number | undefined;
}

/** Starts children natively. */
export class Starter {
  readonly kernel: Kernel;
  readonly files: Files;
  readonly cloner: Cloner;
  readonly stages: StageFiles;
  /** How children reset the dispositions of signals. */
  readonly resets: readonly Call[];
  /** Without close_range(2): see {@linkcode LowerOptions}. */
  readonly #openBelow: () => number | undefined;
  readonly #host: Host;
  readonly #reaper: Reaper;
  readonly #blame: Blame;
  #copy: Environ | undefined;
  /** The address of the environment for children that inherit it. */
  readonly #environ: () => Word;
  #latest: { readonly mappings: readonly Mapping[]; readonly layout: Layout } | undefined;

  constructor(kernel: Kernel, host: Host, cloner: Cloner, stage: Stage | undefined) {
    this.kernel = kernel;
    this.#host = host;
    this.cloner = cloner;
    this.#openBelow = hasCloseRange(kernel) ? () => undefined : () => openBelow(kernel);
    const status = cloner.clears ? textOf(kernel, "/proc/self/status") : undefined;
    this.resets = status === undefined ? RESET_ALL : resetIgnored(ignoredIn(status));
    this.#environ = kernel.libc.sharesEnviron
      ? () => this.#copied().address()
      : () => kernel.libc.environ();
    this.stages = new StageFiles(kernel, host, this.resets, stage, this.#environ, this.#openBelow);
    this.#reaper = new Reaper(kernel, host);
    this.files = {
      access: (path) => accessOf(kernel, path),
      head: (path) => headOf(kernel, path),
    };
    this.#blame = {
      files: this.files,
      discardPidFile: (path, pid) => discardPidFile(kernel, path, pid),
      discardUnfinished: (path, pid) => discardUnfinished(kernel, path, pid),
    };
  }

  /** Closes what serves all children. Only when no child will be started or waited for any more. */
  close(): void {
    this.#reaper.close();
    this.kernel.closeNull();
  }

  /** Takes over a child that cannot be ended, and is not waited for: it is reaped when it ends. */
  adopt(pid: number): void {
    this.#reaper.adopt(pid);
  }

  #copied(): Environ {
    return this.#copy ??= new Environ(this.kernel, this.#host);
  }

  /** Refuses what the runtime's permissions do not allow. */
  requirePermitted(plan: Plan): void {
    requirePermitted(this.#host, plan, () => this.#variablesOf(plan));
  }

  /** The variables of a child, without asking the runtime for what it may not show. */
  #variablesOf({ exec }: Plan): readonly string[] {
    if (!exec.inherits) return exec.env;
    const known = this.#host.environmentIfAllowed?.();
    if (known === undefined) return this.#copied().variables();
    return Object.entries(known).map(([name, value]) => `${name}=${value}`);
  }

  /** Opens what the child's descriptors come from. */
  setupStdio(plan: Plan): ChildFds {
    return setupStdio(this.kernel, plan);
  }

  /** Starts a child and takes care of it until its end. */
  async start(plan: Plan, cancel?: AbortSignal): Promise<Process> {
    this.#reaper.start();
    const wiring = this.setupStdio(plan);
    try {
      if (needsStageTwo(plan)) {
        return await retryOnTextBusy(() => this.#launch(plan, wiring, cancel), wasTextBusy);
      }
      for (const delay of ETXTBSY_DELAYS_MS) {
        const running = this.attempt(plan, wiring, NO_PIDFD);
        if (running !== undefined) return this.#adopt(running, wiring);
        await new Promise((resolve) => setTimeout(resolve, delay));
      }
      return this.#adopt(this.lastAttempt(plan, wiring, NO_PIDFD), wiring);
    } finally {
      wiring.close();
    }
  }

  /** One attempt of several: undefined if the program was busy. */
  attempt(plan: Plan, wiring: ChildFds, how: { pidfd: boolean }): Running | undefined {
    const outcome = this.#suspended(plan, wiring, how.pidfd);
    if (!(outcome instanceof SpawnError)) return outcome;
    if (wasTextBusy(outcome)) return undefined;
    throw outcome;
  }

  /** The attempt after which a busy program is an error. */
  lastAttempt(plan: Plan, wiring: ChildFds, how: { pidfd: boolean }): Running {
    const outcome = this.#suspended(plan, wiring, how.pidfd);
    if (outcome instanceof SpawnError) throw outcome;
    return outcome;
  }

  /** Starts a child while this process stands still; the error is returned, not thrown. */
  #suspended(plan: Plan, wiring: ChildFds, pidfd: boolean): Running | SpawnError {
    const { moves, free } = this.#layout(wiring.mappings);
    const { resets, stages: { parent } } = this;
    const below = this.#openBelow();
    const system = plan.exec.inherits
      ? { resets, moves, free, openBelow: below, parent, environ: this.#environ() }
      : { resets, moves, free, openBelow: below, parent };
    const cloned = shielded(() =>
      this.#clone(plan, lowerPlan(plan, system), { memory: "shared", pidfd })
    );
    const failure = this.#failureIn(cloned);
    if (failure === undefined) {
      return { pid: cloned.pid, pidfd: cloned.pidfd, daemonPid: undefined };
    }
    this.#forget(cloned);
    return spawnError(failure.call, failure.errno, plan.command, this.files);
  }

  /** One child tends to get the descriptors that the one before it got. */
  #layout(mappings: readonly Mapping[]): Layout {
    if (this.#latest === undefined || !areSame(this.#latest.mappings, mappings)) {
      this.#latest = { mappings, layout: layout(mappings) };
    }
    return this.#latest.layout;
  }

  /** Starts a child with a second stage; it runs, or is ready, when this resolves. */
  async #launch(plan: Plan, wiring: ChildFds, cancel?: AbortSignal): Promise<Process> {
    const staged = this.#stage(plan, wiring, NO_PIDFD);
    const { cloned, programs, channel, daemonPid } = staged;
    let watch: Watch | undefined;
    let launch: Launch;
    try {
      // But not for a hook, which takes as long as a runtime takes to start.
      if (findStep(plan, "preExec") === undefined) {
        if (findStep(plan, "handshake") !== undefined) channel.waitForReport(BRIEFLY);
        else channel.waitForEnd(BRIEFLY);
      }
      const { exited, kill, ref, unref } = watch = daemonPid === undefined
        ? this.#reaper.watch(cloned.pid)
        : watchGone(reap(this.kernel, cloned.pid));
      launch = new Launch({
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
        takePipes: () => this.#connect(wiring.takeParentEnds(), exited),
        closePipes: () => {},
        blame: this.#blame,
      });
    } catch (error) {
      if (watch === undefined) {
        this.#abandon(staged);
      } else {
        channel.close();
        leaveToReaper(watch);
      }
      throw error;
    }
    return await launch.proceed(cancel);
  }

  /**
   * Starts a child with a second stage while this process stands still. One that takes longer than
   * `timeout` milliseconds is killed, and returned as it is.
   */
  launchSync(plan: Plan, wiring: ChildFds, timeout: number | undefined): Running {
    const staged = this.#stage(plan, wiring, { pidfd: true });
    const { cloned, programs, channel } = staged;
    const { pid, pidfd } = cloned;
    let late: boolean;
    let failure: Error | undefined;
    let daemonPid: number | undefined;
    try {
      late = !channel.waitForEnd(timeout ?? Infinity);
      if (late) {
        this.#killStagedDaemon(staged);
        this.kernel.raw("kill", pid, SIGKILL);
        // Its pid file is removed when it is gone, and its locks with it.
        channel.waitForEnd(TO_END);
      }
      const status = statusOf(staged);
      failure = failureOf(plan, programs, status, { ...this.#blame, cancelled: late });
      daemonPid = late ? undefined : status.daemonPid;
      channel.close();
    } catch (error) {
      this.#abandon(staged);
      throw error;
    }
    if (failure === undefined) return { pid, pidfd, daemonPid, late };
    this.#forget(cloned);
    throw failure;
  }

  /** Opens the control channel and clones. Afterwards only our ends of it are open here. */
  #stage(plan: Plan, wiring: ChildFds, { pidfd }: { pidfd: boolean }): Staged {
    for (;;) {
      const staged = this.stages.prepare(plan, wiring.mappings);
      try {
        const { program, memory, report } = staged;
        const cloned = this.#clone(plan, program, { memory, pidfd, report });
        const { encoded, notes } = cloned;
        const failure = this.#failureIn(cloned);
        if (notes === undefined || failure === undefined) return this.#beyond(plan, staged, cloned);
        this.#forget(cloned);
        if (this.stages.isRefused(failure)) continue;
        throw withNotes(plan, encoded, notes, undefined, this.#blame);
      } finally {
        staged.close();
      }
    }
  }

  /** A child that is in its second stage. */
  #beyond(plan: Plan, staged: StagedPlan, cloned: Cloned): Staged {
    const programs = { encoded: staged.stageTwo ?? cloned.encoded, afterHook: staged.afterHook };
    const channel = new PipeChannel(this.kernel, this.#host, staged.takeParentEnds());
    const daemonPid = isDaemon(plan) && cloned.notes !== undefined
      ? cloned.encoded.cell(cloned.notes, DAEMON_PID).getInt32(0, true)
      : undefined;
    return { cloned, programs, channel, daemonPid };
  }

  /** Ends a child of which nothing will come, and closes everything that belongs to it. */
  #abandon(staged: Staged): void {
    this.#killStagedDaemon(staged);
    staged.channel.close();
    this.giveUp(staged.cloned);
  }

  /**
   * Kills a child and reaps it, and closes its pidfd. One that may not be signalled is reaped when it
   * ends.
   */
  giveUp(child: Pick<Running, "pid" | "pidfd">): void {
    if (this.kernel.raw("kill", child.pid, SIGKILL) === 0) return this.#forget(child);
    this.adopt(child.pid);
    if (child.pidfd >= 0) this.kernel.close(child.pidfd);
  }

  /** The process that has made the daemon has ended; it is not reaped yet. */
  #killStagedDaemon(staged: Staged): void {
    const { daemonPid } = statusOf(staged);
    if (daemonPid === undefined) return;
    try {
      this.#killDaemon(staged.channel, daemonPid, SIGKILL);
    } catch (error) {
      // It ends when it finds its channel closed.
      if (!(error instanceof KillError)) throw error;
    }
  }

  /**
   * A daemon is not our child: when it has ended, its pid may be another process's. A pidfd is of one
   * process for good; if the daemon's end of the channel is open once we have it, it is the daemon's.
   * Without pidfds, a daemon that ends between the look at its channel and the signal is missed.
   */
  #killDaemon(channel: PipeChannel, pid: number, signal: number): boolean {
    const { kernel } = this;
    const opened = kernel.raw("pidfd_open", pid, 0);
    if (opened < 0 && !isMissing(opened)) return false;
    const pidfd = opened < 0 ? opened : kernel.aboveStandard(opened, true);
    try {
      if (channel.isHungUp) return false;
      const sent = pidfd < 0 ? pidfd : kernel.raw("pidfd_send_signal", pidfd, signal, 0, 0);
      const result = isMissing(sent) ? kernel.raw("kill", pid, signal) : sent;
      if (result < 0 && result !== -E.ESRCH) throw new KillError({ pid, signal, errno: -result });
      return result === 0;
    } finally {
      if (pidfd >= 0) kernel.close(pidfd);
    }
  }

  /** Reaps a child that has ended, and closes its pidfd. */
  #forget({ pid, pidfd }: Pick<Cloned, "pid" | "pidfd">): void {
    try {
      reap(this.kernel, pid);
    } finally {
      if (pidfd >= 0) this.kernel.close(pidfd);
    }
  }

  #adopt(running: Running, wiring: ChildFds): Process {
    const { pid } = running;
    wiring.closeChildEnds();
    const watch = this.#watch(running);
    try {
      return {
        pid,
        exited: watch.exited,
        ...this.#connect(wiring.takeParentEnds(), watch.exited),
        kill: watch.kill,
        ref: watch.ref,
        unref: watch.unref,
      };
    } catch (error) {
      leaveToReaper(watch);
      throw error;
    }
  }

  #watch(child: Pick<Running, "pid" | "pidfd">): Watch {
    try {
      return this.#reaper.watch(child.pid);
    } catch (error) {
      this.giveUp(child);
      throw error;
    }
  }

  #connect(
    ends: readonly ParentEnd[],
    exited: Promise<Exit>,
  ): Pick<Process, "stdin" | "stdout" | "stderr" | "buffers"> {
    const buffers: Sink[] = [];
    const pipes: { -readonly [K in "stdin" | "stdout" | "stderr"]?: Process[K] } = {};
    for (const { carries, fd } of ends) {
      if (carries === "buffer") buffers.push(adoptedSink(this.kernel, this.#host, fd));
      else if (carries === "stdin") pipes.stdin = adoptedSink(this.kernel, this.#host, fd);
      else pipes[carries] = sourceOf(this.kernel, this.#host, fd, exited);
    }
    return { ...pipes, buffers };
  }

  #clone(plan: Plan, program: Program, how: CloneOptions): Cloned {
    try {
      return this.cloner.clone(program, how);
    } catch (error) {
      throw cloneError(error, plan);
    }
  }

  /** What failed in the memory that a child shared with us, if something did. */
  #failureIn(cloned: Cloned): { call: Call; errno: number } | undefined {
    const { encoded, notes } = cloned;
    if (notes === undefined) return undefined;
    try {
      return encoded.failure(notes);
    } catch (error) {
      this.giveUp(cloned);
      throw error;
    }
  }
}

/** Ends a child of which nothing will come; it is reaped when the event loop hears of its end. */
function leaveToReaper(watch: Watch): void {
  watch.kill(SIGKILL);
  watch.unref();
  watch.exited.catch(() => {});
}

/** Whether the program could not be executed because it is open for writing somewhere. */
export function wasTextBusy(error: unknown): boolean {
  return error instanceof SpawnError && error.step === "exec" && error.errno === E.ETXTBSY;
}

/** What a staged child has reported so far. */
function statusOf({ channel, daemonPid }: Staged): Status {
  const status = parseStatus(concat(channel.early));
  return daemonPid === undefined ? status : { ...status, daemonPid };
}

/** What stands for the watch of a child that was reaped. */
function watchGone(exit: Exit | undefined): Watch {
  if (exit === undefined) throw new Error("a process that was waited for is still there");
  return { exited: Promise.resolve(exit), kill: () => false, ref() {}, unref() {} };
}

function areSame(some: readonly Mapping[], others: readonly Mapping[]): boolean {
  return some.length === others.length &&
    some.every(({ from, to }, i) => others[i]?.from === from && others[i]?.to === to);
}

/** The clone itself failed: no memory, or too many processes. */
function cloneError(error: unknown, plan: Plan): unknown {
  if (!(error instanceof SystemCallError)) return error;
  const { command } = plan;
  return new SpawnError({
    step: "clone",
    syscall: error.syscall,
    args: ["CLONE_VM|CLONE_VFORK|…"],
    errno: error.errno,
    command,
    cause: error,
  });
}
