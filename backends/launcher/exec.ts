/**
 * exec in place without FFI: the process becomes a program file that holds the steps of the plan
 * and then becomes the program. What can be found out beforehand is: after that there is nobody to
 * throw to, and a step that fails ends the process with status 127.
 *
 * @module
 */

import { UnsupportedError } from "../../core/errors.ts";
import { type Plan, stepOf } from "../../core/plan.ts";
import type { Arch } from "../linux/arch.ts";
import { elfOf } from "../linux/elf.ts";
import { lower } from "../linux/lower.ts";
import { requireFolder, requireProgram } from "../portable/checks.ts";
import { placeProgram } from "../spawner/place.ts";
import { laidOut } from "./boot.ts";

/** `process.execve` of Node. */
export type Execve = (
  path: string,
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
) => void;

/** Nobody reads what a program reports that replaces its own parent. */
const NOWHERE = -1;

/** Replaces this process. Returns only to throw. */
export function execByFile(arch: Arch, execve: Execve, plan: Plan): never {
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
  requireFolder(plan);
  requireProgram(plan, "linux");
  const steps = plan.steps.filter(({ step }) => step !== "fds");
  const program = lower(steps, { moves: [], free: () => [] });
  const file = placeProgram(elfOf(arch, laidOut(arch, program, NOWHERE).bytes));
  try {
    execve(file.path, ["vircommand"], {});
  } finally {
    file.close();
  }
  throw new Error("execve returned without an error");
}
