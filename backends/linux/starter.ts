/**
 * The start of a native child: wiring, lowering, cloning, and the word on how it went.
 *
 * Most children are started with the parent suspended until they have exec'ed or failed; the
 * outcome then stands in shared memory. A child with a handshake, or with a hook, runs beside its
 * parent and talks to it over two pipes:
 *
 * - `tell`, from the child: a byte when it waits, end of file when it has exec'ed or ended;
 * - `word`, to the child: a byte that lets it go, end of file if the parent has died.
 *
 * @module
 */

import type { Exit, Process, Sink } from "../../core/backend.ts";
import { layout } from "../../core/descriptors.ts";
import { HandshakeError, SpawnError } from "../../core/errors.ts";
import { findStep, type Plan, stepOf } from "../../core/plan.ts";
import { type Cloned, Cloner } from "./clone.ts";
import type { Encoded } from "./encode.ts";
import { type Files, spawnError } from "./failure.ts";
import { accessOf, headOf } from "./files.ts";
import type { Host } from "./host.ts";
import type { Kernel } from "./kernel.ts";
import { lower, needsOwnMemory } from "./lower.ts";
import { DAEMON_PID } from "./lower_daemon.ts";
import { discardPidFile, holderOf } from "./pid_file.ts";
import { reap, Reaper, type Watch } from "./reaper.ts";
import { sinkOf } from "./sink.ts";
import { Tell } from "./tell.ts";
import { openWires, type ParentEnd, type Wiring } from "./wires.ts";

const ETXTBSY = 26;

/**
 * How often, and after how many milliseconds, an exec that found its file busy is tried again. A
 * program that was written a moment ago can be held open for writing by a child of another thread
 * that has not come to its own exec yet; Go and Rust retry for the same reason.
 */
export const BUSY_RETRIES: readonly number[] = [2, 5, 10, 20];

/** A child that runs its program. */
export interface Running {
  /** Of the program; of the daemon, if it is one. */
  readonly pid: number;
  /** Of the process that is our child: the program, or the one that went before the daemon. */
  readonly pidfd: number;
  readonly daemon: boolean;
}

/** Starts children natively. */
export class Starter {
  readonly kernel: Kernel;
  readonly files: Files;
  readonly cloner: Cloner;
  readonly #host: Host;
  readonly #reaper: Reaper;

  constructor(kernel: Kernel, host: Host) {
    this.kernel = kernel;
    this.#host = host;
    this.cloner = new Cloner(kernel);
    this.#reaper = new Reaper(kernel, host);
    this.files = {
      access: (path) => accessOf(kernel, path),
      head: (path) => headOf(kernel, path),
    };
  }

  /** Opens what the child's descriptors come from, if the runtime lets the program run at all. */
  wire(plan: Plan): Wiring {
    this.#host.checkRun?.(stepOf(plan, "exec").path);
    return openWires(this.kernel, plan);
  }

  /** Starts a child and takes care of it until its end. */
  async start(plan: Plan): Promise<Process> {
    this.#reaper.start();
    const wiring = this.wire(plan);
    try {
      if (findStep(plan, "handshake") !== undefined) return await this.#talk(plan, wiring);
      for (const delay of BUSY_RETRIES) {
        const running = this.attempt(plan, wiring);
        if (running !== undefined) return this.#adopt(running, wiring);
        await new Promise((resolve) => setTimeout(resolve, delay));
      }
      return this.#adopt(this.lastAttempt(plan, wiring), wiring);
    } finally {
      wiring.close();
    }
  }

  /** One attempt of several: undefined if the program was busy. */
  attempt(plan: Plan, wiring: Wiring): Running | undefined {
    const outcome = this.#suspended(plan, wiring);
    if (!(outcome instanceof SpawnError)) return outcome;
    if (outcome.errno === ETXTBSY && outcome.step === "exec") return undefined;
    throw outcome;
  }

  /** The attempt after which a busy program is an error. */
  lastAttempt(plan: Plan, wiring: Wiring): Running {
    const outcome = this.#suspended(plan, wiring);
    if (outcome instanceof SpawnError) throw outcome;
    return outcome;
  }

  /** Starts a child while this process stands still; the error is returned, not thrown. */
  #suspended(plan: Plan, wiring: Wiring): Running | SpawnError {
    const { moves, free } = layoutOf(wiring, []);
    const cloned = this.#clone(plan, { moves, free }, true);
    const { pidfd, program, release } = cloned;
    const notes = program.notes();
    release();
    const error = this.failureOf(plan, program, notes);
    if (error === undefined) {
      const daemon = daemonPid(plan, program, notes);
      return { pid: daemon ?? cloned.pid, pidfd, daemon: daemon !== undefined };
    }
    reap(this.kernel, pidfd);
    this.kernel.close(pidfd);
    return error;
  }

  /** Starts a child beside this process, and waits until it waits for us. */
  async #talk(plan: Plan, wiring: Wiring): Promise<Process> {
    const { kernel } = this;
    const [tell, word] = [kernel.pipe(), kernel.pipe()];
    const opened = new Set([tell.read, tell.write, word.read, word.write]);
    const close = (fd: number) => {
      const open = opened.delete(fd);
      if (open) kernel.close(fd);
      return open;
    };
    let cloned: Cloned;
    try {
      kernel.setNonblocking(tell.read);
      const { moves, free, reserved } = layoutOf(wiring, [tell.write, word.read]);
      const [tellFd = 0, wordFd = 0] = reserved;
      const control = { tell: tellFd, word: wordFd };
      cloned = this.#clone(plan, { moves, free, control }, false);
    } catch (error) {
      for (const fd of opened) kernel.close(fd);
      throw error;
    }
    close(tell.write);
    close(word.read);
    wiring.closeChildEnds();
    opened.delete(tell.read);
    const listener = new Tell(this.#host.source(tell.read));
    let settle: (exit: Exit) => void = () => {};
    const exited = new Promise<Exit>((resolve) => settle = resolve);
    const watch = this.#reaper.watch(cloned.pidfd, (exit) => {
      close(word.write);
      settle(exit);
    });
    const { program } = cloned;
    const waits = await listener.waits();
    const notes = program.notes();
    if (!waits) {
      await exited;
      cloned.release();
      throw this.failureOf(plan, program, notes) ??
        new HandshakeError(`the child ended before it was ready: ${plan.command}`, plan);
    }
    const pid = daemonPid(plan, program, notes);
    const process = this.#connect(pid ?? cloned.pid, watch, exited, wiring.takeParentEnds());
    const over = listener.ended().then(() => {
      const last = program.notes();
      cloned.release();
      return this.failureOf(plan, program, last);
    });
    return {
      ...process,
      ...(pid === undefined ? {} : { daemonPid: pid }),
      // A daemon in the making is not our child: it is ended by taking our word back.
      ...(pid === undefined ? {} : { kill: () => close(word.write) }),
      release: async () => {
        const n = opened.has(word.write) ? kernel.writeFrom(word.write, new Uint8Array([1])) : -1;
        close(word.write);
        const failure = await over;
        if (failure !== undefined) throw failure;
        if (n < 0) throw new HandshakeError(`the child has ended: ${plan.command}`, plan);
      },
    };
  }

  #adopt({ pid, pidfd, daemon }: Running, wiring: Wiring): Process {
    wiring.closeChildEnds();
    if (daemon) {
      // The one that went before the daemon has ended, or is about to.
      const exit = reap(this.kernel, pidfd);
      this.kernel.close(pidfd);
      if (exit === undefined) throw new Error("a process that was waited for is still there");
      const gone: Watch = { kill: () => false, hold: () => {} };
      const process = this.#connect(pid, gone, Promise.resolve(exit), wiring.takeParentEnds());
      return { ...process, daemonPid: pid };
    }
    let tell: (exit: Exit) => void = () => {};
    const exited = new Promise<Exit>((resolve) => tell = resolve);
    const watch = this.#reaper.watch(pidfd, (exit) => tell(exit));
    return this.#connect(pid, watch, exited, wiring.takeParentEnds());
  }

  #connect(
    pid: number,
    watch: Watch,
    exited: Promise<Exit>,
    ends: readonly ParentEnd[],
  ): Process {
    const pipes: { -readonly [K in "stdin" | "stdout" | "stderr"]?: Process[K] } = {};
    const buffers: Sink[] = [];
    for (const { carries, fd } of ends) {
      if (carries === "buffer") buffers.push(sinkOf(this.kernel, this.#host, fd));
      else if (carries === "stdin") pipes.stdin = sinkOf(this.kernel, this.#host, fd);
      else pipes[carries] = this.#host.source(fd);
    }
    return {
      pid,
      exited,
      buffers,
      ...pipes,
      kill: (signal) => watch.kill(signal),
      hold: (held) => watch.hold(held),
    };
  }

  #clone(plan: Plan, circumstances: Parameters<typeof lower>[1], suspend: boolean): Cloned {
    const ownMemory = needsOwnMemory(plan);
    try {
      return this.cloner.clone(lower(plan, circumstances), { suspend, ownMemory });
    } catch (error) {
      throw cloneError(error, plan);
    }
  }

  /** What the notes of a program say about its failure, if it gave up; tidies up after it. */
  failureOf(plan: Plan, program: Encoded, notes: Uint8Array): SpawnError | undefined {
    const failure = program.failure(notes);
    if (failure === undefined) return undefined;
    const { call, errno } = failure;
    const pidFile = findStep(plan, "pidFile");
    const pid = daemonPid(plan, program, notes);
    if (pidFile !== undefined && pid !== undefined && call.step !== "pidFile") {
      discardPidFile(this.kernel, pidFile.path, pid);
    }
    const holder = holderOf(program, notes, call);
    const meaning = holder === undefined ? undefined : `locked by process ${holder}`;
    return spawnError(call, errno, plan.command, this.files, meaning);
  }
}

function daemonPid(plan: Plan, program: Encoded, notes: Uint8Array): number | undefined {
  const session = findStep(plan, "session");
  if (session?.grouping.kind !== "daemon") return undefined;
  return program.cell(notes, DAEMON_PID).getInt32(0, true);
}

/** The moves of a wiring, and the numbers that are free in the child afterwards. */
export function layoutOf(
  { mappings }: Pick<Wiring, "mappings">,
  control: readonly number[],
): ReturnType<typeof layout> & { free: number[] } {
  const { moves, reserved } = layout(mappings, control);
  const taken = new Set([...mappings.map((each) => each.to), ...reserved]);
  const free: number[] = [];
  for (let fd = 0; free.length < 3; fd++) if (!taken.has(fd)) free.push(fd);
  return { moves, reserved, free };
}

/** clone(2) itself failed: no memory, or too many processes. */
function cloneError(error: unknown, plan: Plan): unknown {
  if (!(error instanceof Error) || !("errno" in error) || typeof error.errno !== "number") {
    return error;
  }
  const { command } = plan;
  return new SpawnError({
    step: "clone",
    syscall: "clone",
    args: ["CLONE_VM|CLONE_PIDFD|SIGCHLD"],
    errno: error.errno,
    command,
    cause: error,
  });
}
