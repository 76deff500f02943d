/**
 * The program for the launcher: the steps of the plan, and before them what a child needs that does
 * not share the memory of its parent. It waits until its program has arrived, moves its control
 * channel out of the way, and makes its pipes, which the parent opens through /proc.
 *
 * @module
 */

import { defined } from "../../core/own.ts";
import { layout } from "../../core/plan/descriptors.ts";
import { findStep, type Plan, stepOf } from "../../core/plan/plan.ts";
import type { Arch } from "../child_program/arch.ts";
import { closeRange } from "../child_program/close_range.ts";
import { arg, type Call, call, type Cell, octal, type Program } from "../child_program/call.ts";
import { O } from "../../core/tables/kernel.ts";
import { lower, type LowerOptions } from "../child_program/lower.ts";
import { ABANDONED_STATUS } from "../child_program/lower_exec.ts";
import { PIPES } from "../child_program/protocol.ts";
import {
  duplicatesAbove,
  type HookPrograms,
  type HookRuntime,
  splitAtHook,
} from "../child_program/hook_split.ts";
import { READABLE, WRITABLE } from "../spawner/pipe_modes.ts";
import { process } from "../process.ts";
import { flagsOf as flagsOfFd } from "../posix/standard_stream.ts";
import { CONTROL } from "./boot.ts";
import { type ChildFds, isWrittenByParent } from "./child_fds.ts";

const BEGIN = "launcher: begin";
const PARENT_ENDED = "launcher: parent ended";

/** What a read of the control channel stores: a byte that nobody looks at. */
const READ_CELL: Cell = { name: "launcher: read", size: 8 };

/** The program, and the number of its control channel. */
export interface Assembly {
  readonly program: Program;
  readonly control: number;
  /** With a hook: what comes after it, and the file that holds it. */
  readonly halves: HookPrograms | undefined;
}

/** What runs hooks, and the machine that it runs on. */
export interface HookSupport {
  readonly arch: Arch;
  /** Returns what runs the hook of the plan. */
  runtime(): HookRuntime;
  /** Calls that restore the credentials which the exec of the launcher has changed. */
  readonly restore: readonly Call[];
  /** Without close_range(2): a number that no open descriptor reaches. */
  readonly openBelow: number | undefined;
}

/** Assembles the program. */
export function assemble(plan: Plan, childFds: ChildFds, support: HookSupport): Assembly {
  const control = childFds.above;
  const { pipes, stdio, corrections } = childFds;
  const { calls, cells, halves } = lowerAll(plan, childFds, control, support);
  const pipeCells = pipes.map((_, i): Cell => ({ name: `launcher: pipe ${i}`, size: 8 }));
  const prelude: Call[] = [
    readControl(CONTROL, { received: BEGIN }),
    {
      ...call("fds", "exit_group", [ABANDONED_STATUS]),
      label: PARENT_ENDED,
    },
    {
      ...call("fds", "dup3", [
        arg(CONTROL, "<control>"),
        arg(control, "…"),
        arg(O.CLOEXEC, "O_CLOEXEC"),
      ]),
      label: BEGIN,
    },
    ...corrections,
    ...(halves === undefined ? support.restore : []),
    ...(pipes.length === 0 ? [] : [
      // Whatever else this process was started with: the numbers of the pipes must be known.
      ...closeRange("fds", stdio.length, control - 1, support.openBelow),
      ...pipeCells.map(({ name }) =>
        call("fds", "pipe2", [{ cell: name }, arg(O.CLOEXEC, "O_CLOEXEC")])
      ),
      ...setPipeModes(plan, pipes),
      writeControl(control, PIPES),
      readControl(control),
    ]),
  ];
  return {
    program: { calls: [...prelude, ...calls], cells: [READ_CELL, ...pipeCells, ...cells] },
    control,
    halves,
  };
}

/** Lets a child that becomes another user open its pipes by their names; see READABLE. */
export function setPipeModes(plan: Plan, pipes: ChildFds["pipes"]): Call[] {
  if (findStep(plan, "identity")?.ids === undefined) return [];
  return pipes.map((pipe) => {
    const [fd, mode] = isWrittenByParent(pipe) ? [pipe.read, READABLE] : [pipe.write, WRITABLE];
    return call("fds", "fchmod", [fd, arg(mode, octal(mode))]);
  });
}

/** What differs between a child and one that has a supervisor. */
export interface LowerAllOptions {
  /** With a hook: a descriptor that is kept open until the program runs. */
  readonly alive?: number | undefined;
  /** Whether the child is killed when its parent ends. */
  readonly bound?: boolean;
}

/** Lowers a plan for a child of the launcher; with a hook, only what comes before it. */
export function lowerAll(
  plan: Plan,
  childFds: ChildFds,
  control: number,
  { arch, runtime, restore, openBelow }: HookSupport,
  { alive, bound = false }: LowerAllOptions = {},
): Program & { readonly halves: HookPrograms | undefined } {
  const { image } = childFds;
  const kept = [image, alive].filter((fd) => fd !== undefined);
  const parent = bound ? {} : { parent: () => process.pid };
  const basic = { ...lowerOptionsFor(childFds, control, kept), openBelow, bound, ...parent };
  if (image === undefined) return { ...lower(plan.steps, basic), halves: undefined };
  const inChild = (fd: number) => {
    const number = basic.reserved[1 + kept.indexOf(fd)];
    if (number === undefined) throw new Error(`descriptor ${fd} has no number in the child`);
    return number;
  };
  const channels = {
    status: control,
    go: control,
    image: inChild(image),
    alive: alive === undefined ? undefined : inChild(alive),
  };
  const duplicatesFrom = duplicatesAbove(control);
  const lowerOptions = { ...basic, blocking: descriptorFlags(plan) };
  const before = plan.steps.slice(0, plan.steps.findIndex(({ step }) => step === "preExec"));
  const split = {
    arch,
    plan,
    before,
    restore,
    lowerOptions,
    channels,
    runtime: runtime(),
    duplicatesFrom,
  };
  const halves = splitAtHook(split);
  return { ...halves.beforeHook, halves };
}

/** The flags that the child's descriptors get, whatever the runtime of a hook has set. */
function descriptorFlags(plan: Plan): NonNullable<LowerOptions["blocking"]> {
  return stepOf(plan, "fds").childFds.map(({ to, source }) => {
    if (source.from === "file") return { fd: to, flags: source.access === "append" ? O.APPEND : 0 };
    const flags = source.from === "fd" ? flagsOfFd(source.fd) ?? 0 : 0;
    return { fd: to, flags: flags & (to > 2 ? O.APPEND | O.NONBLOCK : O.APPEND) };
  });
}

/** The options for lowering a plan; the descriptors `kept` get numbers in the child. */
function lowerOptionsFor(
  { mappings }: ChildFds,
  control: number,
  kept: readonly number[],
): LowerOptions & { readonly reserved: readonly number[] } {
  const { moves, free, reserved } = layout(mappings, [control, ...kept]);
  const handshake = { status: control, go: control };
  return { moves, free, reserved, report: control, handshake };
}

/**
 * Reads a byte from the parent, and continues at the label `received` or with the next call. End of
 * file means that the parent has ended.
 */
function readControl(fd: number, { received }: { readonly received?: string } = {}): Call {
  return {
    ...call("fds", "recvfrom", [arg(fd, "<control>"), { cell: READ_CELL.name }, 1, 0]),
    jumps: { zero: PARENT_ENDED, ...defined({ positive: received }) },
  };
}

/** Writes a byte to the parent. */
function writeControl(fd: number, byte: number): Call {
  const bytes = new Uint8Array([byte]);
  return call("fds", "write", [arg(fd, "<control>"), { bytes }, 1]);
}
