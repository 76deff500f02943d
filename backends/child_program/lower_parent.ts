/**
 * Lowering of dieWithParent. PR_SET_PDEATHSIG is about the parent that a process has at that moment:
 * if ours has ended before, the child has been given to another one, and no signal would ever come.
 * So the child compares afterwards whose child it is.
 *
 * @module
 */

import { E, FUTEX_CMP_REQUEUE_PRIVATE } from "../../core/tables/kernel.ts";
import { signalName } from "../../core/tables/signals.ts";
import { SIGKILL } from "../../core/timing.ts";
import { type Call, call, type Cell } from "./call.ts";

/** prctl(2): which signal is sent to the child when its parent ends. */
export const PR_SET_PDEATHSIG = 1;
const PARENT = "parent";

/** The label of the call that compares, and which of its arguments is the parent's pid. */
const IS_PARENT = "is it the parent?";
export const EXPECTED = 5;

/** The cells that the calls use. */
export const PARENT_CELLS: readonly Cell[] = [{ name: PARENT, size: 8 }];

/** What is known of a child's parent before the child is there. */
export interface Parent {
  /**
   * Its pid. Without it, the child asks at its beginning; then something else must see to it that
   * the parent does not end before unnoticed.
   */
  readonly parent?: () => number;
  /**
   * Whether the child is killed when its parent ends, also after a change of identity: because that
   * is a supervisor, which sends the signal that the program is to get when *its* parent ends.
   */
  readonly bound?: boolean;
}

/** Asks for the parent; the first call of a program for which it is not known beforehand. */
export const STORE_PARENT_PID: Call = {
  ...call("dieWithParent", "getppid", [], []),
  into: { call: IS_PARENT, argument: EXPECTED },
};

/** The calls. */
export function lowerDieWithParent(signal: number, { parent, bound = false }: Parent): Call[] {
  const sent = bound ? SIGKILL : signal;
  return [
    call("dieWithParent", "prctl", [PR_SET_PDEATHSIG, sent, 0, 0, 0], [
      "PR_SET_PDEATHSIG",
      signalName(sent),
    ]),
    {
      ...call("dieWithParent", "getppid", [], []),
      into: { cell: PARENT },
    },
    isParent({ cell: PARENT }, parent?.() ?? 0, IS_PARENT),
  ];
}

/**
 * Fails unless a pid is the one that is expected. futex(2) FUTEX_CMP_REQUEUE with nobody to wake
 * returns 0 if a word in memory has the value in its sixth argument.
 */
export function isParent(word: { cell: string }, expected: number, label: string): Call {
  return {
    ...call("dieWithParent", "futex", [word, FUTEX_CMP_REQUEUE_PRIVATE, 0, 0, word, expected], [
      "…",
      "FUTEX_CMP_REQUEUE_PRIVATE",
      "0",
      "0",
      "…",
      "<parent>",
    ]),
    label,
    errno: E.ESRCH,
    hint: "the parent has ended",
    note: "has the parent ended before that? then this is an error",
  };
}
