/**
 * Lowering of daemons: the leader of a new session clones once more and ends, so that the program
 * leads no session, cannot get a controlling terminal by opening one, and becomes init's child.
 *
 * The second clone shares memory and suspends like the first one: the leader goes on only when the
 * daemon has exec'ed or failed, and so does our own process, which waits for the leader. A daemon
 * that has failed is reaped by its leader, so that it is entirely gone, locks and all, when the
 * failure is reported.
 *
 * @module
 */

import { CLONE, P, SIGCHLD, W } from "../../core/tables/kernel.ts";
import { type Arg, arg, type Call, call, type Cell, GAVE_UP_VALUE, NULL } from "./call.ts";
import { compareWord } from "./compare.ts";
import { DAEMON } from "./protocol.ts";

/** The cell in which a daemon notes its pid. */
export const DAEMON_PID = "daemon pid";

/** The cells that the calls use. */
export const DAEMON_CELLS: readonly Cell[] = [{ name: DAEMON_PID, size: 8 }];

const CLONE_FLAGS = arg(CLONE.VM | CLONE.VFORK | SIGCHLD, "CLONE_VM|CLONE_VFORK|SIGCHLD");

/** The labels of the calls at which the leader of the session ends, and the daemon begins. */
const LEADER_ENDS = "leader ends";
const DAEMON_BEGINS = "daemon";

/** The calls; with `report`, the daemon reports its pid to that descriptor. */
export function lowerDaemon(report: number | undefined): Call[] {
  return [
    call("session", "setsid"),
    {
      ...call("session", "clone", [CLONE_FLAGS, NULL]),
      jumps: { zero: DAEMON_BEGINS },
      note: "the child goes on as the daemon",
    },
    {
      ...compareWord("session", { gaveUp: true }, GAVE_UP_VALUE),
      unrecorded: true,
      jumps: { error: LEADER_ENDS },
      note: "the leader of the session: has the daemon failed?",
    },
    {
      ...call("session", "waitid", [arg(P.ALL, "P_ALL"), 0, NULL, arg(W.EXITED, "WEXITED"), NULL]),
      unrecorded: true,
      jumps: { error: LEADER_ENDS },
      note: "if so, it is reaped",
    },
    {
      ...call("session", "exit_group", [0]),
      label: LEADER_ENDS,
      note: "the leader ends",
    },
    {
      ...call("session", "getpid"),
      label: DAEMON_BEGINS,
      into: { cell: DAEMON_PID },
      note: "here goes the daemon",
    },
    ...(report === undefined ? [] : [
      reportPid(report, { bytes: new Uint8Array([DAEMON]) }, 1),
      reportPid(report, { cell: DAEMON_PID }, 8),
    ]),
  ];
}

function reportPid(report: number, what: Arg, length: number): Call {
  return {
    ...call("session", "write", [report, what, length]),
    note: "reports its pid",
  };
}
