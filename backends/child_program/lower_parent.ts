/**
 * Lowering of dieWithParent. PR_SET_PDEATHSIG is about the parent that a process has at that moment:
 * if ours has ended before, the child has been given to another one, and no signal would ever come.
 * So the child compares afterwards whose child it is.
 *
 * @module
 */

import { PR } from "../../core/tables/constants.ts";
import { E } from "../../core/tables/kernel.ts";
import { signalName } from "../../core/tables/signals.ts";
import { SIGKILL } from "../../core/timing.ts";
import { type Arg, arg, type Call, call, type Cell } from "./call.ts";
import { compareWord, EXPECTED } from "./compare.ts";

/** prctl(2): which signal is sent to the child when its parent ends. */
export const PDEATHSIG: Arg = arg(PR.PR_SET_PDEATHSIG, "PR_SET_PDEATHSIG");

const PARENT = "parent";

/** The label of the call that compares. */
const IS_PARENT = "is it the parent?";

/** The cells that the calls use. */
export const PARENT_CELLS: readonly Cell[] = [{ name: PARENT, size: 8 }];

/** What is known of a child's parent before the child is there. */
export interface Parent {
  /**
   * Its pid. Without it, the child asks for it in its first call; then something else must ensure
   * that the parent does not end before that.
   */
  readonly parent?: () => number;
  /**
   * Whether the child is killed when its parent ends, also after a change of identity. Such a parent
   * is a supervisor, which itself sends the program the signal that was asked for.
   */
  readonly bound?: boolean;
}

/** Asks for the parent; the first call of a program for which it is not known beforehand. */
export const STORE_PARENT_PID: Call = {
  ...call("dieWithParent", "getppid"),
  into: { call: IS_PARENT, argument: EXPECTED },
};

/** The calls. */
export function lowerDieWithParent(signal: number, { parent, bound = false }: Parent): Call[] {
  const sent = bound ? SIGKILL : signal;
  return [
    call("dieWithParent", "prctl", [PDEATHSIG, arg(sent, signalName(sent))]),
    { ...call("dieWithParent", "getppid"), into: { cell: PARENT } },
    isParent({ cell: PARENT }, parent?.() ?? 0, IS_PARENT),
  ];
}

/** Fails unless a pid in memory is the one that is expected. */
export function isParent(word: { cell: string }, expected: number, label: string): Call {
  return {
    ...compareWord("dieWithParent", word, arg(expected, "<parent>")),
    label,
    errno: E.ESRCH,
    hint: "the parent has ended",
    note: "has the parent ended before that? then this is an error",
  };
}
