/**
 * The program that a supervisor starts. It ends with its supervisor, which the spawner may kill and
 * which may give up.
 *
 * PR_SET_PDEATHSIG ensures this, but only once it is set: if the supervisor ends before, the
 * program is given to another parent and no signal ever arrives. So the program compares its parent
 * afterwards, see prctl(2).
 *
 * @module
 */

import { SIGKILL } from "../../core/timing.ts";
import type { Call, Program } from "../child_program/call.ts";
import { EXPECTED } from "../child_program/compare.ts";
import { ABANDONED_STATUS } from "../child_program/lower_exec.ts";
import { isParent, PDEATHSIG } from "../child_program/lower_parent.ts";
import { op } from "./supervisor_calls.ts";
import { PID_AT } from "./supervisor_report.ts";

/** The label of the first call of the program. */
export const PROGRAM = "program";

const ORPHANED = "orphaned";

/** The labels of the calls that compare the parent: at the beginning, and after a change of ids. */
const IS_CHILD = "child of the supervisor?";
const IS_STILL_CHILD = "still child of the supervisor?";

/** The calls of a supervised program, and what the supervisor does for them. */
export interface SupervisedProgram {
  /** Calls of the supervisor before it makes the child: they fill in the pid to compare with. */
  readonly prepare: readonly Call[];
  /** Calls of the child; the first has the label {@linkcode PROGRAM}. */
  readonly calls: readonly Call[];
}

/** Ties a program to its supervisor. Its pid is reported to the descriptor `control`. */
export function supervisedProgram({ calls }: Program, control: number): SupervisedProgram {
  // A change of identity clears PR_SET_PDEATHSIG, and these calls set it again.
  const last = calls.findLastIndex(({ args: [first], name, step }) =>
    step === "identity" && name === "prctl" && first === PDEATHSIG
  );
  const compareAgain = last < 0 ? [] : [
    storeParentPid(),
    { ...requireParent(IS_STILL_CHILD), jumps: { error: ORPHANED } },
  ];
  return {
    prepare: [IS_CHILD, ...(last < 0 ? [] : [IS_STILL_CHILD])].map(expectOwnPid),
    calls: [
      { ...op("prctl", [PDEATHSIG, SIGKILL, 0, 0, 0]), label: PROGRAM },
      storeParentPid(),
      requireParent(IS_CHILD),
      { ...op("getpid", []), into: { cell: "own pid" } },
      op("pwrite64", [control, { cell: "own pid" }, 8, PID_AT]),
      ...calls.slice(0, last + 1),
      ...compareAgain,
      ...calls.slice(last + 1),
      ...(last < 0 ? [] : [{ ...op("exit_group", [ABANDONED_STATUS]), label: ORPHANED }]),
    ],
  };
}

/** Stores the pid of the parent where {@linkcode requireParent} looks for it. */
export function storeParentPid(): Call {
  return { ...op("getppid", []), into: { cell: "parent pid" } };
}

/** Fails unless the parent that was stored has the pid `expected`, which may be filled in later. */
export function requireParent(label: string, expected: number = 0): Call {
  return isParent({ cell: "parent pid" }, expected, label);
}

/** Fills in the pid that a call compares with: that of the process that makes this call. */
function expectOwnPid(label: string): Call {
  return { ...op("getpid", []), into: { call: label, argument: EXPECTED } };
}
