/**
 * The program for the launcher: what the plan says, and before it what a child needs that does not
 * share its parent's memory. It waits for the whole of its program, moves its control channel out
 * of the way and makes its pipes, which the parent opens by way of /proc.
 *
 * @module
 */

import { layout } from "../../core/plan/descriptors.ts";
import { findStep, type Plan, stepOf } from "../../core/plan/plan.ts";
import type { Arch } from "../child_program/arch.ts";
import { type Call, call, type Cell, octal, type Program } from "../child_program/call.ts";
import { O } from "../../core/tables/kernel.ts";
import { ABANDONED_STATUS, lower, type LowerOptions } from "../child_program/lower.ts";
import { PIPES } from "../child_program/protocol.ts";
import { type Halves, type HookRuntime, splitAtHook } from "../child_program/hook_split.ts";
import { READABLE, WRITABLE } from "../spawner/pipe_modes.ts";
import { process } from "../process.ts";
import { flagsOf as flagsOfFd } from "../posix/standard_stream.ts";
import { CONTROL } from "./boot.ts";
import { type ChildFds, intoChild } from "./child_fds.ts";

const GO = "launcher: go";
const OVER = "launcher: over";
const WORD: Cell = { name: "launcher: word", size: 8 };

/** The program, and the number of its control channel. */
export interface Assembly {
  readonly program: Program;
  readonly control: number;
  /** With a hook: what comes after it, and the file that holds it. */
  readonly halves: Halves | undefined;
}

/** Who runs hooks, and on what. */
export interface HookSupport {
  readonly arch: Arch;
  readonly runtime: HookRuntime;
  /** What sets the credentials right that the exec of the launcher has changed. */
  readonly restore: readonly Call[];
}

/** Puts the program together. */
export function assemble(plan: Plan, childFds: ChildFds, support: HookSupport): Assembly {
  const control = childFds.above;
  const { pipes, stdio, corrections } = childFds;
  const { calls, cells, halves } = lowerAll(plan, childFds, control, support);
  const pipeCells = pipes.map((_, i): Cell => ({ name: `launcher: pipe ${i}`, size: 8 }));
  const prelude: Call[] = [
    hear(CONTROL, GO),
    {
      ...call("fds", "exit_group", [ABANDONED_STATUS], [String(ABANDONED_STATUS)]),
      label: OVER,
    },
    {
      ...call("fds", "dup3", [CONTROL, control, O.CLOEXEC], ["<control>", "…", "O_CLOEXEC"]),
      label: GO,
    },
    ...corrections,
    ...(halves === undefined ? support.restore : []),
    ...(pipes.length === 0 ? [] : [
      // Whatever this process was started with besides: the numbers of the pipes must be known.
      call("fds", "close_range", [stdio.length, control - 1, 0], ["…", "…", "0"]),
      ...pipeCells.map(({ name }) =>
        call("fds", "pipe2", [{ cell: name }, O.CLOEXEC], ["…", "O_CLOEXEC"])
      ),
      ...openToOthers(plan, pipes),
      tell(control, PIPES),
      hear(control, undefined),
    ]),
  ];
  return {
    program: { calls: [...prelude, ...calls], cells: [WORD, ...pipeCells, ...cells] },
    control,
    halves,
  };
}

/** Lets a child that becomes another user open its pipes by their names; see READABLE. */
export function openToOthers(plan: Plan, pipes: ChildFds["pipes"]): Call[] {
  if (findStep(plan, "identity")?.ids === undefined) return [];
  return pipes.map((pipe) => {
    const [fd, mode] = intoChild(pipe) ? [pipe.read, READABLE] : [pipe.write, WRITABLE];
    return call("fds", "fchmod", [fd, mode], [String(fd), octal(mode)]);
  });
}

/**
 * The plan lowered for a child of the launcher; with a hook, only what comes before it. A `bound`
 * child is killed when its parent ends.
 */
export function lowerAll(
  plan: Plan,
  childFds: ChildFds,
  control: number,
  { arch, runtime, restore }: HookSupport,
  { alive, bound = false }: { readonly alive?: number | undefined; readonly bound?: boolean } = {},
): Program & { readonly halves: Halves | undefined } {
  const { image } = childFds;
  const more = [image, alive].filter((fd) => fd !== undefined);
  const parent = bound ? {} : { parent: () => process.pid };
  const basic = { ...lowerOptionsFor(childFds, control, more), bound, ...parent };
  if (image === undefined) return { ...lower(plan.steps, basic), halves: undefined };
  const inChild = (fd: number) => {
    const found = basic.reserved[1 + more.indexOf(fd)];
    if (found === undefined) throw new Error(`descriptor ${fd} has no number in the child`);
    return found;
  };
  const channels = {
    status: control,
    go: control,
    image: inChild(image),
    alive: alive === undefined ? undefined : inChild(alive),
  };
  // Above a gap: Node marks the numbers up to the first gap behind 15.
  const parked = Math.max(control, GAP_BEHIND) + 2;
  const lowerOptions = { ...basic, blocking: flagsOf(plan) };
  const before = plan.steps.slice(0, plan.steps.findIndex(({ step }) => step === "preExec"));
  const split = { arch, plan, before, restore, lowerOptions, channels, runtime, parked };
  const halves = splitAtHook(split);
  return { ...halves.first, halves };
}

/** What the flags of the child's descriptors are to be, whatever a hook's runtime does to them. */
function flagsOf(plan: Plan): NonNullable<LowerOptions["blocking"]> {
  return stepOf(plan, "fds").childFds.map(({ to, source }) => {
    if (source.from === "file") return { fd: to, flags: source.access === "append" ? O.APPEND : 0 };
    const flags = source.from === "fd" ? flagsOfFd(source.fd) ?? 0 : 0;
    return { fd: to, flags: flags & (to > 2 ? O.APPEND | O.NONBLOCK : O.APPEND) };
  });
}

/** Where Node stops at the first descriptor that is not open, when it marks what it inherits. */
const GAP_BEHIND = 16;

/** What the lowering is told about a child of the launcher. */
function lowerOptionsFor(
  { mappings }: ChildFds,
  control: number,
  more: readonly number[],
): LowerOptions & { readonly reserved: readonly number[] } {
  const { moves, free, reserved } = layout(mappings, [control, ...more]);
  const handshake = { status: control, go: control };
  return { moves, free, reserved, report: control, handshake };
}

/** Waits for a byte; its end means that the parent has died. */
function hear(fd: number, go: string | undefined): Call {
  return {
    ...call("fds", "recvfrom", [fd, { cell: WORD.name }, 1, 0], ["<control>", "…", "1", "0"]),
    jumps: { zero: OVER, ...(go === undefined ? {} : { positive: go }) },
  };
}

function tell(fd: number, byte: number): Call {
  const bytes = new Uint8Array([byte]);
  return call("fds", "write", [fd, { bytes }, 1], ["<control>", "…", "1"]);
}
