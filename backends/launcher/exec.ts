/**
 * exec in place without FFI: the process becomes a program file that holds the steps of the plan,
 * and then the program. What can be checked is checked before; what fails afterwards is written to
 * standard error, see exec_program.ts.
 *
 * @module
 */

import { SpawnError, UnsupportedError } from "../../core/errors.ts";
import { type Plan, stepOf } from "../../core/plan/plan.ts";
import type { Arch } from "../child_program/arch.ts";
import { arg, type Call, call, CURRENT_FOLDER } from "../child_program/call.ts";
import { E, F, O } from "../../core/tables/kernel.ts";
import { blockingFlagsOf, canReopen } from "../posix/standard_stream.ts";
import { execFile } from "../child_program/exec_program.ts";
import { process } from "../process.ts";
import { requireFolder, requireProgram } from "../spawner/checks.ts";
import { writeUnlinkedProgram } from "../spawner/unlinked_file.ts";
import { restoreFor } from "./credentials.ts";

/** `process.execve` of Node. */
export type Execve = (
  path: string,
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
) => void;

/** Throws an UnsupportedError for descriptors that do not survive Node's execve. */
export function requireExecDescriptors(plan: Plan): void {
  for (const { to, source } of stepOf(plan, "fds").childFds) {
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

/** The access mode in the flags of open(2). */
const O_ACCMODE = 3;

const STANDARD_STREAMS = [0, 1, 2];

/**
 * Returns the calls that clear O_NONBLOCK, which Node has set, at a standard stream. Other
 * processes may share the open file description, so a pipe or terminal is opened again, and the
 * flag is cleared there.
 */
function makeBlocking(fd: number): Call[] {
  const flags = blockingFlagsOf(fd);
  if (flags === undefined) return [];
  const path = `/proc/self/fd/${fd}`;
  const [reopened, clear] = [`reopened ${fd}`, `clear ${fd}`];
  const openFlags = (flags & O_ACCMODE) | O.NONBLOCK | O.NOCTTY | O.CLOEXEC;
  const setFlags = {
    ...call("fds", "fcntl", [fd, arg(F.SETFL, "F_SETFL"), arg(flags, "…")]),
    label: clear,
  };
  if (!canReopen(fd)) return [setFlags];
  return [
    {
      ...call("fds", "openat", [CURRENT_FOLDER, { text: path }, arg(openFlags, "…")]),
      into: { call: reopened, argument: 0 },
      jumps: { error: clear },
    },
    { ...call("fds", "dup3", [arg(-1, "…"), fd, 0]), label: reopened },
    setFlags,
  ];
}

/** Replaces this process. Returns only to throw. */
export function execByFile(arch: Arch, execve: Execve, plan: Plan): never {
  requireFolder(plan);
  requireProgram(plan, "linux");
  const file = writeUnlinkedProgram(
    execFile(arch, plan, {
      moves: [],
      restore: [...STANDARD_STREAMS.flatMap(makeBlocking), ...restoreFor(plan)],
      close: [],
      parent: () => process.ppid,
    }),
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
    errno: E.EIO,
    detail: "process.execve returned",
    command: plan.command,
  });
}
