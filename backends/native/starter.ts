/**
 * The start of a native child: descriptors, lowering, cloning, and what came of it.
 *
 * Most children are started with the parent suspended until they have exec'ed or failed; the
 * outcome then stands in shared memory. For the others, see two_stage_starter.ts.
 *
 * @module
 */

import { Orphans } from "./orphans.ts";
import { sleep } from "../../core/clock.ts";
import type { Process } from "../../core/backend.ts";
import { SpawnError } from "../../core/errors.ts";
import { shielded } from "../../core/own.ts";
import { type Layout, layout, type Mapping } from "../../core/plan/descriptors.ts";
import type { Plan } from "../../core/plan/plan.ts";
import { E } from "../../core/tables/kernel.ts";
import type { Call } from "../child_program/call.ts";
import { RESET_ALL, resetIgnored } from "../child_program/dispositions.ts";
import { type Files, spawnError } from "../child_program/failure.ts";
import { PlanLowering } from "../child_program/lower_plan.ts";
import { needsStageTwo } from "../child_program/stages.ts";
import type { Word } from "../child_program/word.ts";
import { requirePermitted } from "../permitted.ts";
import { ignoredIn } from "../posix/signals.ts";
import type { Host } from "../spawner/host.ts";
import { ETXTBSY_DELAYS_MS, retryOnTextBusy, retryOnTextBusySync } from "../spawner/text_busy.ts";
import { type ChildFds, setupStdio } from "./child_fds.ts";
import { Children, endWatched, type Running } from "./children.ts";
import type { Cloner } from "./clone.ts";
import { Environ } from "./environ.ts";
import { accessOf, headOf, textOf } from "./files.ts";
import type { Kernel } from "./kernel.ts";
import { openBelow } from "./open_descriptors.ts";
import { discardPidFile, discardUnfinished } from "./pid_file.ts";
import { hasPrimitive } from "./primitives.ts";
import { type Stage, StageFiles } from "./stage_two.ts";
import { TwoStageStarter } from "./two_stage_starter.ts";

/** Whether a child gets a pidfd: in an asynchronous run it is watched by its pid. */
interface PidfdOption {
  readonly pidfd: boolean;
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
  readonly orphans: Orphans;
  readonly #children: Children;
  readonly #twoStages: TwoStageStarter;
  readonly #lowering: PlanLowering;
  #copy: Environ | undefined;
  /** The address of the environment for children that inherit it. */
  readonly #environ: () => Word;
  #latest: { readonly mappings: readonly Mapping[]; readonly layout: Layout } | undefined;

  constructor(kernel: Kernel, host: Host, cloner: Cloner, stage: Stage | undefined) {
    this.kernel = kernel;
    this.#host = host;
    this.cloner = cloner;
    this.#openBelow = hasPrimitive(kernel, "close_range")
      ? () => undefined
      : () => openBelow(kernel);
    const status = cloner.clearsHandlers ? textOf(kernel, "/proc/self/status") : undefined;
    this.resets = status === undefined ? RESET_ALL : resetIgnored(ignoredIn(status));
    this.#lowering = new PlanLowering(this.resets);
    this.#environ = kernel.libc.sharesEnviron
      ? () => this.#copied().address()
      : () => kernel.libc.environ();
    this.stages = new StageFiles(kernel, host, this.resets, stage, this.#environ, this.#openBelow);
    this.#children = new Children(kernel, host, cloner);
    this.orphans = new Orphans(kernel, (pid) => this.#children.reaper.watches(pid));
    this.files = {
      access: (path) => accessOf(kernel, path),
      head: (path) => headOf(kernel, path),
    };
    this.#twoStages = new TwoStageStarter(this.#children, this.stages, {
      files: this.files,
      discardPidFile: (path, pid) => discardPidFile(kernel, path, pid),
      discardUnfinished: (path, pid) => discardUnfinished(kernel, path, pid),
    });
  }

  /** Closes what serves all children. Only when no child will be started or waited for any more. */
  close(): void {
    this.#children.reaper.close();
    this.kernel.closeNull();
  }

  /** Takes over a child that cannot be ended, and is not waited for: it is reaped when it ends. */
  adopt(pid: number): void {
    this.#children.reaper.adopt(pid);
  }

  #copied(): Environ {
    return this.#copy ??= new Environ(this.kernel, this.#host);
  }

  /** Refuses what the runtime's permissions do not allow. */
  requirePermitted(plan: Plan): void {
    requirePermitted(this.#host, plan, "native", () => this.#variablesOf(plan));
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
    const { reaper } = this.#children;
    reaper.start();
    let made: ChildFds | undefined;
    try {
      const childFds = made = this.setupStdio(plan);
      if (needsStageTwo(plan)) {
        const start = () => this.#twoStages.start(plan, childFds, cancel);
        return await retryOnTextBusy(start, wasTextBusy);
      }
      for (const delay of ETXTBSY_DELAYS_MS) {
        const running = this.#attempt(plan, childFds, { pidfd: false });
        if (running !== undefined) return this.#connected(running, childFds);
        await sleep(delay);
      }
      return this.#connected(this.#lastAttempt(plan, childFds, { pidfd: false }), childFds);
    } finally {
      made?.close();
      // After a failure there may be no child, and no signal that would end the listening.
      reaper.stopIfIdle();
    }
  }

  /** Starts a child for a synchronous run; `timeout` is in milliseconds. */
  startSync(plan: Plan, childFds: ChildFds, timeout: number | undefined): Running {
    if (needsStageTwo(plan)) {
      const start = () => this.#twoStages.startSync(plan, childFds, timeout);
      return retryOnTextBusySync(start, wasTextBusy);
    }
    for (const delay of ETXTBSY_DELAYS_MS) {
      const running = this.#attempt(plan, childFds, { pidfd: true });
      if (running !== undefined) return running;
      this.kernel.sleep(delay);
    }
    return this.#lastAttempt(plan, childFds, { pidfd: true });
  }

  /** One attempt of several: undefined if the program was busy. */
  #attempt(plan: Plan, childFds: ChildFds, how: PidfdOption): Running | undefined {
    const outcome = this.#clone(plan, childFds, how);
    if (!(outcome instanceof SpawnError)) return outcome;
    if (wasTextBusy(outcome)) return undefined;
    throw outcome;
  }

  /** The attempt after which a busy program is an error. */
  #lastAttempt(plan: Plan, childFds: ChildFds, how: PidfdOption): Running {
    const outcome = this.#clone(plan, childFds, how);
    if (outcome instanceof SpawnError) throw outcome;
    return outcome;
  }

  /** Starts a child while this thread is suspended; the error is returned, not thrown. */
  #clone(plan: Plan, childFds: ChildFds, { pidfd }: PidfdOption): Running | SpawnError {
    const { moves, free } = this.#layout(childFds.mappings);
    const { parent } = this.stages;
    const below = this.#openBelow();
    const options = plan.exec.inherits
      ? { moves, free, openBelow: below, parent, environ: this.#environ() }
      : { moves, free, openBelow: below, parent };
    const cloned = shielded(() =>
      this.#children.clone(plan, this.#lowering.lower(plan, options), { memory: "shared", pidfd })
    );
    const failure = this.#children.failureIn(cloned);
    if (failure === undefined) {
      return { pid: cloned.pid, pidfd: cloned.pidfd, daemonPid: undefined };
    }
    this.#children.reap(cloned);
    return spawnError(failure.call, failure.errno, plan.command, this.files);
  }

  /** One child tends to get the descriptors that the one before it got. */
  #layout(mappings: readonly Mapping[]): Layout {
    if (this.#latest === undefined || !areSame(this.#latest.mappings, mappings)) {
      this.#latest = { mappings, layout: layout(mappings) };
    }
    return this.#latest.layout;
  }

  /** Watches a child that runs its program, and makes streams of its pipes. */
  #connected(running: Running, childFds: ChildFds): Process {
    childFds.closeChildEnds();
    const watch = this.#children.watch(running);
    try {
      return {
        pid: running.pid,
        exited: watch.exited,
        ...this.#children.connect(childFds.takeParentEnds(), watch.exited),
        kill: watch.kill,
        ref: watch.ref,
        unref: watch.unref,
      };
    } catch (error) {
      endWatched(watch);
      throw error;
    }
  }
}

/** Whether the program could not be executed because it is open for writing somewhere. */
function wasTextBusy(error: unknown): boolean {
  return error instanceof SpawnError && error.step === "exec" && error.errno === E.ETXTBSY;
}

function areSame(some: readonly Mapping[], others: readonly Mapping[]): boolean {
  return some.length === others.length &&
    some.every(({ from, to }, i) => others[i]?.from === from && others[i]?.to === to);
}
