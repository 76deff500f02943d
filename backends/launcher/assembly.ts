/**
 * The program for the launcher: what the plan says, and before it what a child needs that does not
 * share its parent's memory. It waits for the whole of its program, moves its control channel out
 * of the way and makes its pipes, which the parent opens by way of /proc.
 *
 * @module
 */

import { layout } from "../../core/descriptors.ts";
import type { Plan } from "../../core/plan.ts";
import { type Call, call, type Cell, type Program } from "../linux/call.ts";
import { O } from "../linux/kernel.ts";
import { ABANDONED_STATUS, type Circumstances, lower } from "../linux/lower.ts";
import { PIPES } from "../linux/talk.ts";
import { CONTROL } from "./boot.ts";
import type { Wires } from "./wires.ts";

const GO = "launcher: go";
const OVER = "launcher: over";
const WORD: Cell = { name: "launcher: word", size: 8 };
const LAST_FD = 0xffff_ffff;

/** The program, and the number of its control channel. */
export interface Assembly {
  readonly program: Program;
  readonly control: number;
}

/** Puts the program together. */
export function assemble(plan: Plan, wires: Wires): Assembly {
  const control = wires.above;
  const { pipes, stdio, corrections } = wires;
  const around = circumstancesOf(wires, control);
  const { calls, cells } = lower(plan, around);
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
    ...(pipes.length === 0 ? [] : [
      // Whatever this process was started with besides: the numbers of the pipes must be known.
      call("fds", "close_range", [stdio.length, control - 1, 0], ["…", "…", "0"]),
      ...pipeCells.map(({ name }) =>
        call("fds", "pipe2", [{ cell: name }, O.CLOEXEC], ["…", "O_CLOEXEC"])
      ),
      tell(control, PIPES),
      hear(control, undefined),
    ]),
  ];
  return {
    program: { calls: [...prelude, ...calls], cells: [WORD, ...pipeCells, ...cells] },
    control,
  };
}

/** What the lowering is told about a child of the launcher. */
export function circumstancesOf({ mappings }: Wires, control: number): Circumstances {
  const { moves } = layout(mappings, [control]);
  const taken = new Set([...mappings.map(({ to }) => to), control]);
  const free: number[] = [];
  for (let fd = 0; free.length < 3; fd++) if (!taken.has(fd)) free.push(fd);
  return { moves, free, report: control, control: { tell: control, word: control } };
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
