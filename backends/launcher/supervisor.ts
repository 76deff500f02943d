/**
 * The supervisor of a synchronous run, as a child program. A spawner that waits has neither real
 * pipes nor a grace period between two signals, and it waits for every descendant that holds a pipe
 * open. So it starts this instead: it makes the pipes, starts the program, copies its output, keeps
 * the time limit, drains the pipes, and reports how the program ended and what it used.
 *
 * Its calls are in supervisor_phases.ts, and those of the program in supervised_program.ts; see
 * supervisor_calls.ts for how conditions are expressed, and supervisor_report.ts for the report.
 *
 * @module
 */

import type { Cell, Program } from "../child_program/call.ts";
import type { ChildFds } from "./child_fds.ts";
import { supervisedProgram } from "./supervised_program.ts";
import { SLOTS } from "./supervisor_calls.ts";
import { supervisorFds, type SupervisorOptions } from "./supervisor_fds.ts";
import {
  drainPipes,
  finish,
  onExit,
  onParentExit,
  openDescriptors,
  pipeCell,
  pumpInput,
  startProgram,
  type SupervisedRun,
  type Supervisor,
  waitForDaemon,
  whileItRuns,
} from "./supervisor_phases.ts";
import { RUSAGE_SIZE, SIGINFO_SIZE } from "./supervisor_report.ts";

/**
 * Returns the program of a supervisor around `program`, the calls of the child itself. The
 * spawner's own streams are 0 to 2, the file for the report is 3; `control` is a free number for
 * it.
 */
export function supervise(
  program: Program,
  { stdio, pipes }: Pick<ChildFds, "stdio" | "pipes">,
  control: number,
  run: SupervisedRun,
  options: SupervisorOptions = {},
): Program {
  const { outlives = false, parentWatch, pidfds = true, openBelow } = options;
  const end = (carries: string, side: "read" | "write") =>
    pipes.find((each) => each.carries === carries)?.[side];
  const supervisor: Supervisor = {
    stdio,
    pipes,
    control,
    run,
    outlives,
    parentWatch,
    pidfds,
    openBelow,
    fds: supervisorFds({ stdio, pipes }, options),
    out: { from: end("stdout", "read"), to: 1, slot: "out" },
    err: { from: end("stderr", "read"), to: 2, slot: "err" },
    input: end("stdin", "write"),
  };
  const supervised = supervisedProgram(program, control);
  const calls = [
    ...openDescriptors(supervisor),
    ...supervised.prepare,
    ...startProgram(supervisor),
    ...whileItRuns(supervisor),
    ...onExit(supervisor),
    ...(outlives ? waitForDaemon(supervisor) : []),
    ...drainPipes(supervisor),
    ...finish(supervisor),
    ...(parentWatch === undefined ? [] : onParentExit(supervisor, parentWatch)),
    ...pumpInput(supervisor),
    ...supervised.calls,
  ];
  return { calls, cells: [...cellsOf(supervisor), ...program.cells] };
}

function cellsOf({ pipes }: Supervisor): Cell[] {
  const words = [
    // One behind the other, in this order.
    ...Object.values(SLOTS),
    ...pipes.map((_, i) => pipeCell(i)),
    "scratch",
    "alive",
    "pidfd",
    "ticks",
    "own pid",
    "program pid",
    "parent pid",
    // These two as well: they are the flags of the report.
    "timed out",
    "drained",
  ];
  return [
    ...words.map((name) => ({ name, size: 8 })),
    { name: "siginfo", size: SIGINFO_SIZE },
    { name: "rusage", size: RUSAGE_SIZE },
  ];
}
