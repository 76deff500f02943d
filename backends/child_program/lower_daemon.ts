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

import { FUTEX_CMP_REQUEUE_PRIVATE, SIGCHLD } from "../../core/tables/kernel.ts";
import { type Arg, type Call, call, type Cell, GAVE_UP_VALUE } from "./call.ts";
import { DAEMON } from "./protocol.ts";

/** The cell in which a daemon notes its pid. */
export const DAEMON_PID = "daemon pid";

/** The cells that the calls use. */
export const DAEMON_CELLS: readonly Cell[] = [{ name: DAEMON_PID, size: 8 }];

const CLONE_VM = 0x100;
const CLONE_VFORK = 0x4000;
const P_ALL = 0;
const WEXITED = 4;

/** The calls. */
export function lowerDaemon(report: number | undefined): Call[] {
  const gaveUp = { gaveUp: true } as const;
  return [
    call("session", "setsid", [], []),
    {
      ...call("session", "clone", [CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0, 0, 0], [
        "CLONE_VM|CLONE_VFORK|SIGCHLD",
        "NULL",
      ]),
      jumps: { zero: "daemon" },
      note: "the child goes on as the daemon",
    },
    {
      // Zero if the word has that value: the daemon gave up. See lower_pid_file.ts.
      ...call("session", "futex", [
        gaveUp,
        FUTEX_CMP_REQUEUE_PRIVATE,
        0,
        0,
        gaveUp,
        GAVE_UP_VALUE,
      ], ["…", "FUTEX_CMP_REQUEUE_PRIVATE", "0", "0", "…", String(GAVE_UP_VALUE)]),
      unrecorded: true,
      jumps: { error: "leader ends" },
      note: "the leader of the session: has the daemon failed?",
    },
    {
      ...call("session", "waitid", [P_ALL, 0, 0, WEXITED, 0], [
        "P_ALL",
        "0",
        "NULL",
        "WEXITED",
        "NULL",
      ]),
      unrecorded: true,
      jumps: { error: "leader ends" },
      note: "if so, it is reaped",
    },
    {
      ...call("session", "exit_group", [0], ["0"]),
      label: "leader ends",
      note: "the leader ends",
    },
    {
      ...call("session", "getpid", [], []),
      label: "daemon",
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
    ...call("session", "write", [report, what, length], [String(report), "…", String(length)]),
    note: "reports its pid",
  };
}
