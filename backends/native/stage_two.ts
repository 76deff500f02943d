/**
 * The second stage of a start: a program file in memory, see memfd_create(2), that a child executes
 * to leave the memory it shares with us. Where such a file cannot be had or executed, the child gets
 * a copy of our memory instead, and runs all of its plan there.
 *
 * @module
 */

import { layout, lowestFree, type Mapping } from "../../core/plan/descriptors.ts";
import { SpawnError, UnsupportedError, UsageError } from "../../core/errors.ts";
import { LIMIT_INFINITY } from "../../core/tables/limits.ts";
import { findStep, type Plan } from "../../core/plan/plan.ts";
import type { Step } from "../../core/plan/steps.ts";
import { writeUnlinkedProgram } from "../spawner/unlinked_file.ts";
import { type Call, call, type Program } from "../child_program/call.ts";
import { type Carry, carryOver } from "../child_program/credentials.ts";
import { credentialsOf } from "./credentials_of.ts";
import { elfOf } from "../child_program/elf.ts";
import type { Encoded } from "../child_program/encoded.ts";
import { executeFile, NO_ENVIRONMENT } from "../child_program/execute_file.ts";
import { type Halves, hookRuntime, splitAtHook } from "../child_program/hook_split.ts";
import type { Host } from "../spawner/host.ts";
import type { Kernel } from "./kernel.ts";
import { E, F, O } from "../../core/tables/kernel.ts";
import { encodeForFile } from "../child_program/encode_file.ts";
import type { Word } from "../child_program/word.ts";
import { lower, type LowerOptions } from "../child_program/lower.ts";
import { canExecuteMemfd, programMemfd } from "./memfd.ts";
import { cutInStages } from "../child_program/stages.ts";
import { isElevated } from "./system.ts";

/** What a second stage runs in: a program file in memory, or a copy of our memory. */
export type Stage = "memfd" | "copy";

/** The stage that `VIRCOMMAND_STAGE` forces, if it does. Throws a UsageError if there is none such. */
export function stageNamed(value: string | undefined): Stage | undefined {
  if (value === undefined || value === "") return undefined;
  if (value === "memfd" || value === "copy") return value;
  throw new UsageError(`VIRCOMMAND_STAGE: expected memfd or copy, not ${JSON.stringify(value)}`);
}

const FD_CLOEXEC = 1;
const RLIMIT_FSIZE = 1;

/** Errors by which a kernel, a sandbox or a security module refuses to execute a file in memory. */
const REFUSALS: readonly number[] = [
  E.EPERM,
  E.EACCES,
  E.EINVAL,
  E.ENOSYS,
];

/** No program file is larger: arguments and environment have 6 MiB at most, see execve(2). */
const AMPLE = 16n * 1024n * 1024n;

/** A start with two stages, laid out. */
export interface StagedPlan {
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

/** What a start with two stages is lowered from. */
interface Parts {
  readonly plan: Plan;
  readonly lowerOptions: LowerOptions;
  readonly report: number;
  readonly go: number | undefined;
  /** The number of the file with what comes after the hook, if there is a hook. */
  readonly image: number | undefined;
  readonly carry: Carry;
}

/** A program, and with a hook the halves that it is a part of. */
interface Lowered {
  readonly program: Program;
  readonly halves: Halves | undefined;
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
    this.#environ = environ;
    this.#openBelow = openBelow;
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
  prepare(plan: Plan, mappings: readonly Mapping[]): StagedPlan {
    const kernel = this.#kernel;
    const open = new OpenFds(kernel);
    try {
      const carry = carryOver(credentialsOf(kernel));
      const copies = this.#stage === "copy" || carry.kind === "impossible" ||
        fileSizeLimit(kernel) < AMPLE;
      const hook = findStep(plan, "preExec") !== undefined;
      if (hook) requireCarryOverHook(plan, carry);
      const status = open.pipe();
      const go = findStep(plan, "handshake") === undefined ? undefined : open.pipe();
      const stageFile = copies ? undefined : open.own(programMemfd(kernel));
      const image = hook ? open.own(this.#imageFd()) : undefined;
      const reserved = [status.write, go?.read, stageFile, image].filter((fd) => fd !== undefined);
      const laid = layout(mappings, reserved);
      const inChild = (fd: number): number => {
        const found = laid.reserved[reserved.indexOf(fd)];
        if (found === undefined) throw new Error(`descriptor ${fd} has no number in the child`);
        return found;
      };
      const report = inChild(status.write);
      const childGo = go === undefined ? undefined : inChild(go.read);
      const childImage = image === undefined ? undefined : inChild(image);
      const kept = [report, childGo, childImage].filter((fd) => fd !== undefined);
      const parts: Parts = {
        plan,
        lowerOptions: {
          resets: this.#resets,
          moves: laid.moves,
          openBelow: this.#openBelow(),
          // The program file is closed by its own exec: its number is free then.
          free: () => lowestFree([...mappings.map(({ to }) => to), ...kept]),
          report,
          parent: this.parent,
          ...(childGo === undefined ? {} : { handshake: { status: report, go: childGo } }),
          ...(hook ? { blocking: flagsOf(kernel, mappings) } : {}),
        },
        report,
        go: childGo,
        image: childImage,
        carry,
      };
      let program: Program;
      let halves: Halves | undefined;
      let stageTwo: Encoded | undefined;
      if (stageFile === undefined) {
        ({ program, halves } = this.#lowered(parts, plan.steps, []));
      } else {
        const { one, two } = cutInStages(plan);
        const [before, after] = carry.kind === "restore" ? [carry.before, carry.after] : [[], []];
        // They must be found open in stage two, and by the program closed.
        const channels = [parts.report, parts.go, parts.image].filter((fd) => fd !== undefined);
        // The environment that is inherited is handed on, and need not be copied.
        const inherits = plan.exec.inherits && !hook;
        const environ = inherits ? { environ: "own" } as const : {};
        const second = this.#lowered(
          { ...parts, lowerOptions: { ...parts.lowerOptions, ...environ } },
          [...two, plan.exec],
          after,
        );
        const prelude = channels.map((fd) => setCloseOnExec(fd, true));
        halves = second.halves;
        const { bytes, encoded } = encodeForFile(
          kernel.arch,
          { ...second.program, calls: [...prelude, ...second.program.calls] },
          report,
        );
        kernel.writeAll(stageFile, elfOf(kernel.arch, bytes));
        stageTwo = encoded;
        // In shared memory, the outcome can be read.
        const { report: _, ...system } = parts.lowerOptions;
        const first = lower(one, system);
        const calls = [
          ...first.calls,
          ...channels.map((fd) => setCloseOnExec(fd, false)),
          ...before,
          executeFile(inChild(stageFile), inherits ? this.#environ() : NO_ENVIRONMENT),
        ];
        program = { ...first, calls };
      }
      if (image !== undefined && halves !== undefined) this.#fill(plan, image, halves.file);
      const ours = { status: status.read, go: go?.write };
      return {
        program,
        memory: stageFile === undefined ? "copied" : "shared",
        report: stageFile === undefined ? report : undefined,
        stageTwo,
        afterHook: halves?.second,
        takeParentEnds() {
          open.release(ours.status);
          if (ours.go !== undefined) open.release(ours.go);
          return ours;
        },
        close: () => open.close(),
      };
    } catch (error) {
      open.close();
      throw error;
    }
  }

  /** The program of some steps; up to the hook, if they have one. */
  #lowered(parts: Parts, steps: readonly Step[], prelude: readonly Call[]): Lowered {
    const { plan, lowerOptions, report, go, image } = parts;
    if (image === undefined) {
      const { calls, cells } = lower(steps, lowerOptions);
      return { program: { calls: [...prelude, ...calls], cells }, halves: undefined };
    }
    const halves = splitAtHook({
      arch: this.#kernel.arch,
      plan,
      before: steps.slice(0, steps.findIndex(({ step }) => step === "preExec")),
      restore: prelude,
      lowerOptions,
      channels: { status: report, go, image },
      runtime: hookRuntime(this.#host, isElevated(this.#kernel)),
    });
    return { program: halves.first, halves };
  }

  /** The number of the file with what comes after a hook; it is filled later. */
  #imageFd(): number {
    const kernel = this.#kernel;
    if (this.#stage === "memfd") return programMemfd(kernel);
    const nothing = kernel.nullFd();
    try {
      return kernel.call("fcntl", nothing, F.DUPFD_CLOEXEC, 3);
    } finally {
      if (!kernel.lasting && nothing >= 0) kernel.close(nothing);
    }
  }

  #fill(plan: Plan, fd: number, file: Uint8Array): void {
    const kernel = this.#kernel;
    if (BigInt(file.length) > fileSizeLimit(kernel)) {
      throw new SpawnError({
        step: "preExec",
        syscall: "write",
        args: [String(fd), "…", String(file.length)],
        errno: E.EFBIG,
        detail: "EFBIG: the limit fsize of this process leaves no room for what a hook needs",
        command: plan.command,
      });
    }
    if (this.#stage === "memfd") return kernel.writeAll(fd, file);
    const placed = writeUnlinkedProgram(file);
    try {
      kernel.call("dup3", placed.fd, fd, O.CLOEXEC);
    } finally {
      placed.close();
    }
  }
}

function setCloseOnExec(fd: number, on: boolean): Call {
  const [value, display] = on ? [FD_CLOEXEC, "FD_CLOEXEC"] : [0, "0"];
  return call("clone", "fcntl", [fd, F.SETFD, value], [String(fd), "F_SETFD", display]);
}

/**
 * A hook's runtime is executed in between, and file capabilities of its own would cancel the ambient
 * ones that carry the others over.
 */
function requireCarryOverHook(plan: Plan, carry: Carry): void {
  if (carry.kind !== "restore" || carry.before.length === 0) return;
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

/** Writing beyond the soft limit would end this process by SIGXFSZ, see setrlimit(2). */
export function fileSizeLimit(kernel: Kernel): bigint {
  kernel.call("prlimit64", 0, RLIMIT_FSIZE, 0, kernel.scratch);
  const soft = kernel.view.getBigUint64(0, true);
  return soft === LIMIT_INFINITY ? BigInt(Number.MAX_SAFE_INTEGER) : soft;
}

/** Descriptors of one start, which are closed unless somebody else becomes their owner. */
class OpenFds {
  readonly #kernel: Kernel;
  readonly #fds = new Set<number>();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  own(fd: number): number {
    this.#fds.add(fd);
    return fd;
  }

  pipe(): { read: number; write: number } {
    const ends = this.#kernel.pipe();
    this.own(ends.read);
    this.own(ends.write);
    return ends;
  }

  release(fd: number): void {
    this.#fds.delete(fd);
  }

  close(): void {
    for (const fd of this.#fds) this.#kernel.close(fd);
    this.#fds.clear();
  }
}
