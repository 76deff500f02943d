/**
 * The start of a native child: wiring, lowering, cloning, and the word on how it went.
 *
 * Most children are started with the parent suspended until they have exec'ed or failed; the
 * outcome then stands in shared memory. Those with a handshake, or with a hook, are talked to: see
 * talk.ts.
 *
 * @module
 */

import type { Process, Sink } from "../../core/backend.ts";
import { type Layout, layout, type Mapping } from "../../core/descriptors.ts";
import { HandshakeError, SpawnError } from "../../core/errors.ts";
import { findStep, type Plan } from "../../core/plan.ts";
import type { Cloned, Cloner } from "./clone.ts";
import type { Call, Program } from "./call.ts";
import { RESET_ALL, resetIgnored } from "./dispositions.ts";
import type { Encoded } from "./encoded.ts";
import { type Files, spawnError } from "./failure.ts";
import { accessOf, headOf, textOf } from "./files.ts";
import type { Host } from "./host.ts";
import { F, type Kernel } from "./kernel.ts";
import { SystemCallError } from "./libc.ts";
import { type Circumstances, lower, lowerPlan, needsOwnMemory } from "./lower.ts";
import { DAEMON_PID } from "./lower_daemon.ts";
import { discardPidFile, holderOf } from "./pid_file.ts";
import { reap, Reaper, type Watch } from "./reaper.ts";
import { sinkOf } from "./sink.ts";
import { sourceOf } from "./source.ts";
import { isReadable } from "./sync.ts";
import { hookError, hookRuntime, needsTalk, parseTold, silentHook, splitAtHook } from "./talk.ts";
import { joined, Tell } from "./tell.ts";
import { BUSY_RETRIES } from "../spawner/busy.ts";
import { ignoredIn } from "../posix/signals.ts";
import { openWires, type ParentEnd, type Wiring } from "./wires.ts";

/** A child whose end SIGCHLD tells of is watched by its pid. */
const NO_PIDFD = { pidfd: false };

const ETXTBSY = 26;
const SIGKILL = 9;

/** A child that runs its program. */
export interface Running {
  /** Of the process that is our child: the program, or the one that went before the daemon. */
  readonly pid: number;
  /** The same; -1 if it was not asked for. */
  readonly pidfd: number;
  readonly daemonPid: number | undefined;
  /** Whether it was killed because it took too long to come to its program. */
  readonly late?: boolean;
}

/** A child that is talked to. */
interface Talk {
  readonly cloned: Cloned;
  /** Our ends of the channels. */
  readonly tell: number;
  readonly word: number;
  /** With a hook: the half of the program that comes after it. */
  readonly second: Encoded | undefined;
}

/** Starts children natively. */
export class Starter {
  readonly kernel: Kernel;
  readonly files: Files;
  readonly cloner: Cloner;
  /** How children reset the dispositions of signals. */
  readonly resets: readonly Call[];
  readonly #host: Host;
  readonly #reaper: Reaper;
  #latest: { readonly mappings: readonly Mapping[]; readonly layout: Layout } | undefined;

  constructor(kernel: Kernel, host: Host, cloner: Cloner) {
    this.kernel = kernel;
    this.#host = host;
    this.cloner = cloner;
    const status = cloner.clears ? textOf(kernel, "/proc/self/status") : undefined;
    this.resets = status === undefined ? RESET_ALL : resetIgnored(ignoredIn(status));
    this.#reaper = new Reaper(kernel, host);
    this.files = {
      access: (path) => accessOf(kernel, path),
      head: (path) => headOf(kernel, path),
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

  /** Opens what the child's descriptors come from, if the runtime lets the program run at all. */
  wire(plan: Plan): Wiring {
    this.#host.checkRun?.(plan.exec.path);
    return openWires(this.kernel, plan);
  }

  /** Starts a child and takes care of it until its end. */
  async start(plan: Plan, cancel?: AbortSignal): Promise<Process> {
    this.#reaper.start();
    const wiring = this.wire(plan);
    try {
      if (needsTalk(plan)) return await this.#talk(plan, wiring, cancel);
      for (const delay of BUSY_RETRIES) {
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
  attempt(plan: Plan, wiring: Wiring, how: { pidfd: boolean }): Running | undefined {
    const outcome = this.#suspended(plan, wiring, how.pidfd);
    if (!(outcome instanceof SpawnError)) return outcome;
    if (outcome.errno === ETXTBSY && outcome.step === "exec") return undefined;
    throw outcome;
  }

  /** The attempt after which a busy program is an error. */
  lastAttempt(plan: Plan, wiring: Wiring, how: { pidfd: boolean }): Running {
    const outcome = this.#suspended(plan, wiring, how.pidfd);
    if (outcome instanceof SpawnError) throw outcome;
    return outcome;
  }

  /** Starts a child while this process stands still; the error is returned, not thrown. */
  #suspended(plan: Plan, wiring: Wiring, withPidfd: boolean): Running | SpawnError {
    const { moves, free } = this.#layout(wiring.mappings);
    // Nothing changes the environment while this thread stands still.
    const inherits = plan.exec.inherits;
    const { resets } = this;
    const around = inherits
      ? { resets, moves, free, environ: this.kernel.libc.environ() }
      : { resets, moves, free };
    const how = { suspend: true, pidfd: withPidfd };
    const { pid, pidfd, program, release } = this.#clone(
      plan,
      lowerPlan(plan, around),
      how,
    );
    const uneventful = !program.gaveUp() && findStep(plan, "session") === undefined;
    if (uneventful) {
      release();
      return { pid, pidfd, daemonPid: undefined };
    }
    const notes = program.notes();
    release();
    const error = this.failureOf(plan, program, notes);
    if (error === undefined) return { pid, pidfd, daemonPid: daemonPid(plan, program, notes) };
    reap(this.kernel, pid);
    if (pidfd >= 0) this.kernel.close(pidfd);
    return error;
  }

  /** One child tends to get the descriptors that the one before it got. */
  #layout(mappings: readonly Mapping[]): Layout {
    if (this.#latest === undefined || !areSame(this.#latest.mappings, mappings)) {
      this.#latest = { mappings, layout: layout(mappings) };
    }
    return this.#latest.layout;
  }

  /** Starts a child beside this process; it runs, or waits for our word, when this resolves. */
  async #talk(plan: Plan, wiring: Wiring, cancel?: AbortSignal): Promise<Process> {
    const { kernel } = this;
    const talk = this.#begin(plan, wiring, NO_PIDFD);
    const { cloned, word } = talk;
    wiring.closeChildEnds();
    kernel.setNonblocking(talk.tell);
    const tell = new Tell(this.#host.source(talk.tell));
    let wordOpen = true;
    const closeWord = () => {
      const open = wordOpen;
      wordOpen = false;
      if (open) kernel.close(word);
      return open;
    };
    const watch = this.#reaper.watch(cloned.pid);
    watch.exited.then(closeWord, closeWord);
    const over = tell.ended().then(() => {
      const failure = this.#verdict(plan, talk, tell.bytes());
      cloned.release();
      return failure;
    });
    const kill = () => void watch.kill(SIGKILL);
    cancel?.addEventListener("abort", kill);
    if (cancel?.aborted === true) kill();
    const waits = await tell.until((told) => told.waits);
    cancel?.removeEventListener("abort", kill);
    const pid = daemonPid(plan, cloned.program, cloned.program.notes());
    if (!waits) {
      closeWord();
      const failure = await over;
      const shook = findStep(plan, "handshake") === undefined;
      if (cancel?.aborted !== true && (failure !== undefined || !shook)) {
        await watch.exited;
        throw failure ??
          new HandshakeError(`the child ended before it was ready: ${plan.command}`, plan);
      }
    }
    const process = this.#connect(pid ?? cloned.pid, watch, wiring.takeParentEnds());
    const daemon = pid === undefined ? {} : {
      daemonPid: pid,
      // A daemon in the making is not our child: it is ended by taking our word back.
      kill: closeWord,
    };
    if (!waits) return { ...process, ...daemon };
    const release = async () => {
      const n = wordOpen ? kernel.writeFrom(word, new Uint8Array([1])) : -1;
      closeWord();
      const failure = await over;
      if (failure !== undefined) throw failure;
      if (n < 0) throw new HandshakeError(`the child has ended: ${plan.command}`, plan);
    };
    return { ...process, ...daemon, release };
  }

  /**
   * Starts a child that must be talked to, while this process stands still. One that takes longer
   * than `timeout` milliseconds is killed, and returned as it is.
   */
  startTalkingSync(plan: Plan, wiring: Wiring, timeout: number | undefined): Running {
    const { kernel } = this;
    const talk = this.#begin(plan, wiring, { pidfd: true });
    const { cloned, tell, word } = talk;
    kernel.close(word);
    wiring.closeChildEnds();
    const deadline = performance.now() + (timeout ?? Infinity);
    const pieces: Uint8Array[] = [];
    let late = false;
    while (!late) {
      late = !isReadable(kernel, tell, deadline - performance.now());
      if (late) break;
      const bytes = kernel.readInto(tell);
      if (typeof bytes === "number" || bytes.length === 0) break;
      pieces.push(bytes.slice());
    }
    kernel.close(tell);
    if (late) kernel.raw("kill", cloned.pid, SIGKILL);
    const failure = late ? undefined : this.#verdict(plan, talk, joined(pieces));
    const daemon = daemonPid(plan, cloned.program, cloned.program.notes());
    cloned.release();
    const { pid, pidfd } = cloned;
    if (failure === undefined) return { pid, pidfd, daemonPid: daemon, late };
    reap(kernel, pid);
    kernel.close(pidfd);
    throw failure;
  }

  /** Opens the channels and clones. Afterwards only the parent's ends of them are open here. */
  #begin(plan: Plan, wiring: Wiring, { pidfd }: { pidfd: boolean }): Talk {
    const { kernel } = this;
    const hook = findStep(plan, "preExec") !== undefined;
    const opened: number[] = [];
    const pipe = () => {
      const ends = kernel.pipe();
      opened.push(ends.read, ends.write);
      return ends;
    };
    try {
      const [tell, word] = [pipe(), pipe()];
      const image = hook ? kernel.memfd("vircommand") : -1;
      if (hook) opened.push(image);
      const control = [tell.write, word.read, ...(hook ? [image] : [])];
      const { moves, free, reserved } = layout(wiring.mappings, control);
      const [tellFd = -1, wordFd = -1, imageFd = -1] = reserved;
      const channels = { tell: tellFd, word: wordFd, image: imageFd };
      const circumstances: Circumstances = {
        resets: this.resets,
        moves,
        free,
        control: channels,
        blocking: wiring.mappings.map(({ from, to }) => ({
          fd: to,
          flags: kernel.raw("fcntl", from, F.GETFL),
        })),
      };
      const halves = hook
        ? splitAtHook(kernel.arch, plan, circumstances, channels, hookRuntime(this.#host))
        : undefined;
      if (halves !== undefined) kernel.writeAll(image, halves.file);
      const program = halves?.first ?? lower(plan.steps, circumstances);
      const cloned = this.#clone(plan, program, { suspend: hook, pidfd });
      for (const fd of [tell.write, word.read, ...(hook ? [image] : [])]) kernel.close(fd);
      return { cloned, tell: tell.read, word: word.write, second: halves?.second };
    } catch (error) {
      for (const fd of opened) kernel.close(fd);
      throw error;
    }
  }

  /** What became of a child that is past talking: the failure, or undefined if its program runs. */
  #verdict(plan: Plan, talk: Talk, bytes: Uint8Array): SpawnError | undefined {
    const { cloned, second } = talk;
    const notes = cloned.program.notes();
    const failure = this.failureOf(plan, cloned.program, notes);
    if (failure !== undefined || second === undefined) return failure;
    const told = parseTold(bytes);
    const pid = daemonPid(plan, cloned.program, notes);
    const error = told.hook !== undefined
      ? hookError(plan, told.hook)
      : !told.secondHalf
      ? silentHook(plan)
      : told.notes === undefined
      ? undefined
      : this.failureOf(plan, second, told.notes, pid);
    const pidFile = findStep(plan, "pidFile");
    if (error !== undefined && pidFile !== undefined && pid !== undefined) {
      discardPidFile(this.kernel, pidFile.path, pid);
    }
    return error;
  }

  #adopt({ pid, daemonPid }: Running, wiring: Wiring): Process {
    wiring.closeChildEnds();
    const ends = () => wiring.takeParentEnds();
    if (daemonPid === undefined) return this.#connect(pid, this.#reaper.watch(pid), ends());
    // The one that went before the daemon has ended, or is about to.
    const exit = reap(this.kernel, pid);
    if (exit === undefined) throw new Error("a process that was waited for is still there");
    const gone = { exited: Promise.resolve(exit), kill: () => false, hold: () => {} };
    return { ...this.#connect(daemonPid, gone, ends()), daemonPid };
  }

  #connect(pid: number, watch: Watch, ends: readonly ParentEnd[]): Process {
    const buffers: Sink[] = [];
    const process: { -readonly [K in keyof Process]: Process[K] } = {
      pid,
      exited: watch.exited,
      buffers,
      kill: watch.kill,
      hold: watch.hold,
    };
    for (const { carries, fd } of ends) {
      if (carries === "buffer") buffers.push(sinkOf(this.kernel, this.#host, fd));
      else if (carries === "stdin") process.stdin = sinkOf(this.kernel, this.#host, fd);
      else process[carries] = sourceOf(this.kernel, this.#host, fd, watch.exited);
    }
    return process;
  }

  #clone(plan: Plan, program: Program, how: { suspend: boolean; pidfd: boolean }): Cloned {
    const ownMemory = needsOwnMemory(plan);
    try {
      return this.cloner.clone(program, { ...how, ownMemory });
    } catch (error) {
      throw cloneError(error, plan);
    }
  }

  /** What the notes of a program say about its failure, if it gave up; tidies up after it. */
  failureOf(
    plan: Plan,
    program: Encoded,
    notes: Uint8Array,
    daemon?: number,
  ): SpawnError | undefined {
    const failure = program.failure(notes);
    if (failure === undefined) return undefined;
    const { call, errno } = failure;
    const pidFile = findStep(plan, "pidFile");
    const pid = daemon ?? daemonPid(plan, program, notes);
    if (pidFile !== undefined && pid !== undefined && call.step !== "pidFile") {
      discardPidFile(this.kernel, pidFile.path, pid);
    }
    return spawnError(call, errno, plan.command, this.files, holderOf(program, notes, call));
  }
}

function areSame(some: readonly Mapping[], others: readonly Mapping[]): boolean {
  return some.length === others.length &&
    some.every(({ from, to }, i) => others[i]?.from === from && others[i]?.to === to);
}

function daemonPid(plan: Plan, program: Encoded, notes: Uint8Array): number | undefined {
  const session = findStep(plan, "session");
  if (session?.grouping.kind !== "daemon") return undefined;
  return program.cell(notes, DAEMON_PID).getInt32(0, true);
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
