/**
 * Failures to start a child through the launcher, as errors of the command.
 *
 * @module
 */

import { SpawnError } from "../../core/errors.ts";
import type { Plan } from "../../core/plan/plan.ts";
import { E } from "../../core/tables/kernel.ts";
import type { FailureActions } from "../child_program/launch_failure.ts";
import { accessTo, headOfFile } from "../posix/files.ts";
import { StartError } from "../spawner/spawner.ts";
import { discardPidFile, discardUnfinished } from "./pid_file.ts";

/** How the failure of a child is explained and cleaned up after, without FFI. */
export const FAILURE_HANDLING: FailureActions = {
  files: { access: accessTo, head: headOfFile },
  discardPidFile,
  discardUnfinished,
};

/** Reports whether a program could not be executed because somebody has it open for writing. */
export function isTextBusy(error: unknown): boolean {
  return error instanceof SpawnError && error.step === "exec" && error.errno === E.ETXTBSY;
}

/** Returns the error of a launcher that the runtime could not start. */
export function launcherError(plan: Plan, error: unknown): unknown {
  if (!(error instanceof StartError)) return error;
  const { errno, message: detail } = error;
  return new SpawnError({
    step: "clone",
    syscall: "clone",
    args: [],
    errno,
    detail,
    command: plan.command,
    cause: error,
  });
}

/** Returns the error of a program that is larger than the memory of the launcher. */
export function tooLongError(plan: Plan): SpawnError {
  return new SpawnError({
    step: "exec",
    syscall: "execve",
    args: [],
    errno: E.E2BIG,
    detail: "E2BIG: arguments and environment are too long for the kernel",
    command: plan.command,
  });
}
