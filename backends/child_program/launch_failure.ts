/**
 * Why a child did not come to its program: from its reports on the control channel to an error.
 *
 * @module
 */

import { HandshakeError, SpawnError } from "../../core/errors.ts";
import { findStep, type Plan } from "../../core/plan/plan.ts";
import { E } from "../../core/tables/kernel.ts";
import type { Encoded } from "./encoded.ts";
import { type Files, spawnError } from "./failure.ts";
import { hookError, silentHook } from "./hook_split.ts";
import { hasCreated, pidFileProblem } from "./pid_file_problem.ts";
import type { Status } from "./protocol.ts";

/** The programs of a child, to make sense of the notes that it reports. */
export interface Programs {
  readonly encoded: Encoded;
  /** With a hook: what comes after it. */
  readonly afterHook: Encoded | undefined;
}

/** What a driver does to explain a failed start, and to remove what it has left. */
export interface FailureActions {
  readonly files: Files;
  /** Removes the pid file of a daemon that did not come to its program. */
  discardPidFile(path: string, pid: number): void;
  /** Removes one that the daemon has created, and did not come to lock or to write. */
  discardUnfinished(path: string, pid: number): void;
}

/**
 * What became of a child whose channel has ended: its failure, or undefined if its program runs.
 * A child that we have killed ourselves has not failed.
 */
export function failureOf(
  plan: Plan,
  { encoded, afterHook }: Programs,
  status: Status,
  actions: FailureActions & { readonly cancelled: boolean },
): SpawnError | HandshakeError | undefined {
  if (status.hookFailure !== undefined) {
    discardPidFile(plan, status.daemonPid, actions);
    return hookError(plan, status.hookFailure);
  }
  if (status.notes !== undefined) {
    const program = status.hookDone ? afterHook ?? encoded : encoded;
    return withNotes(plan, program, status.notes, status.daemonPid, actions);
  }
  if (status.executing) return undefined;
  discardPidFile(plan, status.daemonPid, actions);
  if (actions.cancelled) return undefined;
  if (findStep(plan, "preExec") !== undefined && !status.hookDone) return silentHook(plan);
  if (findStep(plan, "handshake") !== undefined) {
    return new HandshakeError(`the child ended before it was ready: ${plan.command}`, plan);
  }
  return silentChild(plan);
}

/** The error for the notes of a program that gave up. */
export function withNotes(
  plan: Plan,
  encoded: Encoded,
  notes: Uint8Array,
  daemonPid: number | undefined,
  actions: FailureActions,
): SpawnError {
  const failure = encoded.failure(notes);
  if (failure === undefined) return silentChild(plan);
  const { call, errno } = failure;
  if (call.step !== "pidFile") discardPidFile(plan, daemonPid, actions);
  else if (hasCreated(encoded, notes)) discardUnfinished(plan, daemonPid, actions);
  const problem = pidFileProblem(encoded, notes, failure);
  return spawnError(call, errno, plan.command, actions.files, problem);
}

/** Removes the pid file that a daemon has written, if the plan has one. */
export function discardPidFile(
  plan: Plan,
  daemonPid: number | undefined,
  actions: FailureActions,
): void {
  const path = findStep(plan, "pidFile")?.path;
  if (path !== undefined && isKnown(daemonPid)) actions.discardPidFile(path, daemonPid);
}

/** Removes the pid file that a daemon has only begun. */
function discardUnfinished(
  plan: Plan,
  daemonPid: number | undefined,
  actions: FailureActions,
): void {
  const path = findStep(plan, "pidFile")?.path;
  if (path !== undefined && isKnown(daemonPid)) actions.discardUnfinished(path, daemonPid);
}

/** A daemon that failed early has not stored its pid. */
function isKnown(pid: number | undefined): pid is number {
  return pid !== undefined && pid !== 0;
}

/** The child has ended without a report: it was killed, or the kernel would not run its file. */
export function silentChild(plan: Plan): SpawnError {
  return new SpawnError({
    step: "clone",
    syscall: "execveat",
    args: ["<program file>"],
    errno: E.ENOEXEC,
    detail: "the child ended before its program ran",
    command: plan.command,
  });
}
