/**
 * The second stage of a start: a program file in memory, see memfd_create(2), that a child executes
 * to leave the memory it shares with us. Where such a file cannot be had or executed, the child gets
 * a copy of our memory instead, and runs all of its plan there.
 *
 * @module
 */

import { layout, lowestFree, type Mapping } from "../../core/plan/descriptors.ts";
import { UnsupportedError, UsageError } from "../../core/errors.ts";
import { defined } from "../../core/own.ts";
import { findStep, type Plan, stepOf } from "../../core/plan/plan.ts";
import type { Step } from "../../core/plan/steps.ts";
import { E, F, FD_CLOEXEC } from "../../core/tables/kernel.ts";
import { arg, type Call, call, type Program } from "../child_program/call.ts";
import { type Preservation, preserve } from "../child_program/credentials.ts";
import { elfOf } from "../child_program/elf.ts";
import { encodeForFile } from "../child_program/encode_file.ts";
import type { Encoded } from "../child_program/encoded.ts";
import { executeFile, NO_ENVIRONMENT } from "../child_program/execute_file.ts";
import {
  duplicatesAbove,
  type HookPrograms,
  hookRuntime,
  splitAtHook,
} from "../child_program/hook_split.ts";
import { lower, type LowerOptions } from "../child_program/lower.ts";
import { cutInStages } from "../child_program/stages.ts";
import type { Word } from "../child_program/word.ts";
import type { Host } from "../spawner/host.ts";
import { credentialsOf } from "./credentials_of.ts";
import type { Kernel } from "./kernel.ts";
import { openHookImage, writeHookImage } from "./hook_image.ts";
import { canExecuteMemfd, fileSizeLimit, programMemfd } from "./memfd.ts";
import { OpenFds } from "./open_fds.ts";
import { isElevated } from "./system.ts";

/** What a second stage runs in: a program file in memory, or a copy of our memory. */
export type Stage = "memfd" | "copy";

/** The stage that `VIRCOMMAND_STAGE` forces, if it does. Throws a UsageError if there is none such. */
export function stageNamed(value: string | undefined): Stage | undefined {
  if (value === undefined || value === "") return undefined;
  if (value === "memfd" || value === "copy") return value;
  throw new UsageError(`VIRCOMMAND_STAGE: expected memfd or copy, not ${JSON.stringify(value)}`);
}

/** Errors by which a kernel, a sandbox or a security module refuses to execute a file in memory. */
const REFUSALS: readonly number[] = [E.EPERM, E.EACCES, E.EINVAL, E.ENOSYS];

/**
 * No program file is larger, in bytes: arguments and environment have 6 MiB at most, see execve(2).
 */
const MAX_PROGRAM_FILE = 16n * 1024n * 1024n;

/** A start with two stages, laid out. */
export interface TwoStageStart {
  /** What the child runs first. */
  readonly program: Program;
  readonly memory: "shared" | "copied";
  /** Where a program in a copied memory reports its failure. */
  readonly report: number | undefined;
  /** What the program file runs, if there is one. */
  readonly stageTwo: Encoded | undefined;
  /** With a hook: what comes after it. */
  readonly afterHook: Encoded | undefined;
  /** Hands our ends of the control channel over; what is not taken is closed. */
  takeParentEnds(): { readonly status: number; readonly go: number | undefined };
  /** Closes the child's ends, once the child has its copies, and whatever else is open. */
  close(): void;
}

/** The descriptors that a start opens, by their numbers in this process. */
interface StartFds {
  readonly status: { readonly read: number; readonly write: number };
  readonly go: { readonly read: number; readonly write: number } | undefined;
  /** The program file of the second stage, if it is one in memory. */
  readonly stageFile: number | undefined;
  /** The file with what comes after the hook, if there is a hook. */
  readonly image: number | undefined;
}

/** What a start with two stages is lowered from; descriptors by their numbers in the child. */
interface Parts {
  readonly plan: Plan;
  readonly lowerOptions: LowerOptions;
  readonly report: number;
  readonly go: number | undefined;
  readonly image: number | undefined;
  readonly preservation: Preservation;
}

/** The programs of a start. */
interface StagePrograms {
  readonly program: Program;
  readonly stageTwo: Encoded | undefined;
  readonly hookPrograms: HookPrograms | undefined;
}

/** Lays out starts with two stages. */
export class StageFiles {
  readonly #kernel: Kernel;
  readonly #host: Host;
  readonly #resets: readonly Call[];
  /** The address of the environment for children that inherit it. */
  readonly #environ: () => Word;
  /** Without close_range(2): see {@linkcode LowerOptions}. */
  readonly #openBelow: () => number | undefined;
  #stage: Stage;

  constructor(
    kernel: Kernel,
    host: Host,
    resets: readonly Call[],
    forced: Stage | undefined,
    environ: () => Word,
    openBelow: () => number | undefined,
  ) {
    this.#kernel = kernel;
    this.#openBelow = openBelow;
    this.#environ = environ;
    this.#host = host;
    this.#resets = resets;
    this.#stage = forced ?? (canExecuteMemfd(kernel) ? "memfd" : "copy");
  }

  /** The pid of this process, the parent of all children. */
  readonly parent = (): number => this.#kernel.call("getpid");

  /** What second stages run in. */
  get stage(): Stage {
    return this.#stage;
  }

  /**
   * Whether an exec failed because a file in memory may not be executed, as in the domains of some
   * security modules. From here on, memory is copied.
   */
  isRefused(
    { call, errno }: { readonly call: Pick<Call, "name">; readonly errno: number },
  ): boolean {
    if (call.name !== "execveat" || !REFUSALS.includes(errno)) return false;
    this.#stage = "copy";
    return true;
  }

  /** Opens what a start needs, and lays its programs out. */
  prepare(plan: Plan, mappings: readonly Mapping[]): TwoStageStart {
    const open = new OpenFds(this.#kernel);
    try {
      return this.#prepare(plan, mappings, open);
    } catch (error) {
      open.close();
      throw error;
    }
  }

  #prepare(plan: Plan, mappings: readonly Mapping[], open: OpenFds): TwoStageStart {
    const preservation = preserve(credentialsOf(this.#kernel));
    const fds = this.#open(plan, preservation, open);
    const { status, go, stageFile, image } = fds;
    const { parts, inChild } = this.#partsOf(plan, mappings, fds, preservation);
    const { program, stageTwo, hookPrograms } = stageFile === undefined
      ? { ...this.#lowered(parts, plan.steps, []), stageTwo: undefined }
      : this.#inFile(parts, stageFile, inChild(stageFile));
    if (image !== undefined && hookPrograms !== undefined) {
      writeHookImage(this.#kernel, this.#stage, plan, image, hookPrograms.file);
    }
    const ours = { status: status.read, go: go?.write };
    return {
      program,
      memory: stageFile === undefined ? "copied" : "shared",
      report: stageFile === undefined ? parts.report : undefined,
      stageTwo,
      afterHook: hookPrograms?.afterHook,
      takeParentEnds() {
        open.release(ours.status);
        if (ours.go !== undefined) open.release(ours.go);
        return ours;
      },
      close: () => open.close(),
    };
  }

  /** Opens the control channel and the files. */
  #open(plan: Plan, preservation: Preservation, open: OpenFds): StartFds {
    const kernel = this.#kernel;
    const copies = this.#stage === "copy" || preservation.kind === "impossible" ||
      fileSizeLimit(kernel) < MAX_PROGRAM_FILE;
    const hook = findStep(plan, "preExec") !== undefined;
    if (hook) requirePreservationOverHook(plan, preservation);
    return {
      status: open.pipe(),
      go: findStep(plan, "handshake") === undefined ? undefined : open.pipe(),
      stageFile: copies ? undefined : open.own(programMemfd(kernel)),
      image: hook ? open.own(openHookImage(kernel, this.#stage)) : undefined,
    };
  }

  /** Lays the child's descriptors out: the parts, and the child's number for one of ours. */
  #partsOf(
    plan: Plan,
    mappings: readonly Mapping[],
    { status, go, stageFile, image }: StartFds,
    preservation: Preservation,
  ): { readonly parts: Parts; readonly inChild: (fd: number) => number } {
    const ours = [status.write, go?.read, stageFile, image].filter((fd) => fd !== undefined);
    const { moves, reserved } = layout(mappings, ours);
    const inChild = (fd: number): number => {
      const found = reserved[ours.indexOf(fd)];
      if (found === undefined) throw new Error(`descriptor ${fd} has no number in the child`);
      return found;
    };
    const report = inChild(status.write);
    const childGo = go === undefined ? undefined : inChild(go.read);
    const childImage = image === undefined ? undefined : inChild(image);
    const kept = [report, childGo, childImage].filter((fd) => fd !== undefined);
    const lowerOptions: LowerOptions = {
      resets: this.#resets,
      moves,
      openBelow: this.#openBelow(),
      // The program file is closed by its own exec: its number is free then.
      free: () => lowestFree([...mappings.map(({ to }) => to), ...kept]),
      report,
      parent: this.parent,
      ...defined({
        handshake: childGo === undefined ? undefined : { status: report, go: childGo },
        blocking: image === undefined ? undefined : flagsOf(this.#kernel, mappings),
      }),
    };
    return {
      parts: { plan, lowerOptions, report, go: childGo, image: childImage, preservation },
      inChild,
    };
  }

  /** The programs of a start with a program file, which is written to `file`, `inChild` there. */
  #inFile(parts: Parts, file: number, inChild: number): StagePrograms {
    const { arch } = this.#kernel;
    const { plan, lowerOptions, report, go, image, preservation } = parts;
    const { one, two } = cutInStages(plan);
    const { before, after } = preservation.kind === "restore"
      ? preservation
      : { before: [], after: [] };
    // They must be open in stage two, and closed when the program is executed.
    const channels = [report, go, image].filter((fd) => fd !== undefined);
    // The environment that is inherited is passed on by the exec, and need not be copied.
    const inherits = plan.exec.inherits && image === undefined;
    const second = this.#lowered(
      inherits ? { ...parts, lowerOptions: { ...lowerOptions, environ: "own" } } : parts,
      [...two, plan.exec],
      after,
    );
    const calls = [...channels.map(closeOnExec), ...second.program.calls];
    const { bytes, encoded } = encodeForFile(arch, { ...second.program, calls }, report);
    this.#kernel.writeAll(file, elfOf(arch, bytes));
    // A child in shared memory leaves its notes there, and reports nothing.
    const { report: _, ...inSharedMemory } = lowerOptions;
    const first = lower(one, inSharedMemory);
    const environment = inherits ? arg(this.#environ(), "…") : NO_ENVIRONMENT;
    return {
      program: {
        ...first,
        calls: [
          ...first.calls,
          ...channels.map(keepOnExec),
          ...before,
          executeFile(inChild, environment),
        ],
      },
      stageTwo: encoded,
      hookPrograms: second.hookPrograms,
    };
  }

  /** The program of some steps; up to the hook, if they have one. */
  #lowered(
    parts: Parts,
    steps: readonly Step[],
    prelude: readonly Call[],
  ): Pick<StagePrograms, "program" | "hookPrograms"> {
    const { plan, lowerOptions, report, go, image } = parts;
    if (image === undefined) {
      const { calls, cells } = lower(steps, lowerOptions);
      return { program: { calls: [...prelude, ...calls], cells }, hookPrograms: undefined };
    }
    const elevated = isElevated(this.#kernel);
    const runtime = hookRuntime(this.#host, plan, "native", { elevated });
    // Another one may have no FFI.
    const targets = stepOf(plan, "fds").childFds.map(({ to }) => to);
    const duplicates = runtime.command.isOwn
      ? {}
      : { duplicatesFrom: duplicatesAbove(Math.max(...targets, report, go ?? 0, image)) };
    const hookPrograms = splitAtHook({
      arch: this.#kernel.arch,
      plan,
      before: steps.slice(0, steps.findIndex(({ step }) => step === "preExec")),
      restore: prelude,
      lowerOptions,
      channels: { status: report, go, image },
      runtime,
      ...duplicates,
    });
    return { program: hookPrograms.beforeHook, hookPrograms };
  }
}

function closeOnExec(fd: number): Call {
  return call("clone", "fcntl", [fd, arg(F.SETFD, "F_SETFD"), arg(FD_CLOEXEC, "FD_CLOEXEC")]);
}

function keepOnExec(fd: number): Call {
  return call("clone", "fcntl", [fd, arg(F.SETFD, "F_SETFD"), 0]);
}

/**
 * Refuses a hook that would lose capabilities: its runtime is executed in between, and if that has
 * file capabilities, they cancel the ambient ones by which the others are preserved.
 */
function requirePreservationOverHook(plan: Plan, preservation: Preservation): void {
  if (preservation.kind !== "restore" || preservation.before.length === 0) return;
  if (findStep(plan, "identity") === undefined) return;
  throw new UnsupportedError({
    feature: "preExec with a change of identity",
    driver: "native",
    reason: "the capabilities of this process do not survive the exec of the hook's runtime",
    remedy: "start this process as root, or leave the hook out",
    command: plan.command,
  });
}

/** The flags of the child's descriptors, which a hook's runtime may change. */
function flagsOf(
  kernel: Kernel,
  mappings: readonly Mapping[],
): NonNullable<LowerOptions["blocking"]> {
  return mappings.map(({ from, to }) => ({ fd: to, flags: kernel.call("fcntl", from, F.GETFL) }));
}
