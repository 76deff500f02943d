/**
 * exec in place without FFI: the process becomes a program file that holds the steps of the plan
 * and then becomes the program. What can be found out beforehand is; what fails afterwards is
 * written to standard error, see exec_program.ts.
 *
 * @module
 */

import { SpawnError, UnsupportedError } from "../../core/errors.ts";
import { type Plan, stepOf } from "../../core/plan.ts";
import type { Arch } from "../linux/arch.ts";
import { execFile } from "../linux/exec_program.ts";
import { requireFolder, requireProgram } from "../portable/checks.ts";
import { writeUnlinkedProgram } from "../spawner/unlinked_file.ts";
import { restoreFor } from "./credentials.ts";

const EIO = 5;

/** `process.execve` of Node. */
export type Execve = (
  path: string,
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
) => void;

/** Throws an UnsupportedError for descriptors that do not survive Node's execve. */
export function requireExecDescriptors(plan: Plan): void {
  for (const { to, source } of stepOf(plan, "fds").wires) {
    if (source.from === "fd" && source.fd === to && to <= 2) continue;
    throw new UnsupportedError({
      feature: "exec with passFd",
      driver: "launcher",
      reason: "Node closes all its descriptors but the standard streams",
      remedy: "use a runtime with FFI",
      command: plan.command,
    });
  }
}

/** Replaces this process. Returns only to throw. */
export function execByFile(arch: Arch, execve: Execve, plan: Plan): never {
  requireFolder(plan);
  requireProgram(plan, "linux");
  const file = writeUnlinkedProgram(
    execFile(arch, plan, { moves: [], restore: restoreFor(plan), close: [] }),
  );
  try {
    execve(file.path, ["vircommand"], {});
  } finally {
    file.close();
  }
  throw new SpawnError({
    step: "clone",
    syscall: "execve",
    args: ["<program file>"],
    errno: EIO,
    detail: "process.execve returned",
    command: plan.command,
  });
}
