/**
 * exec in place: this very process becomes the program, by way of a program file that holds the
 * steps of its plan, as a child does in its second stage. Until that file is executed everything can
 * be taken back, and an error is thrown; from then on, see exec_program.ts.
 *
 * @module
 */

import { layout, type Mapping } from "../../core/plan/descriptors.ts";
import { SpawnError, UnsupportedError } from "../../core/errors.ts";
import { findStep, type Plan } from "../../core/plan/plan.ts";
import { writeUnlinkedProgram } from "../spawner/unlinked_file.ts";
import { errnoNumber } from "../../core/tables/errno.ts";
import { type Call, call } from "../child_program/call.ts";
import { preserve } from "../child_program/credentials.ts";
import { credentialsOf } from "./credentials_of.ts";
import { execFile } from "../child_program/exec_program.ts";
import { isFormatKnown, spawnError } from "../child_program/failure.ts";
import { folderProblem } from "./files.ts";
import type { Kernel } from "./kernel.ts";
import { AT_EMPTY_PATH, E, F, FD_CLOEXEC } from "../../core/tables/kernel.ts";
import { fileSizeLimit, programMemfd } from "./memfd.ts";
import type { Starter } from "./starter.ts";
import { encodeUtf8 } from "../../core/utf8.ts";

/** Replaces this process. Returns only to throw. */
export function execInPlace(starter: Starter, plan: Plan): never {
  const { kernel } = starter;
  requireBeforehand(starter, plan);
  const restore = restoreOver(kernel, plan);
  const childFds = starter.setupStdio(plan);
  try {
    const { mappings } = childFds;
    const targets = new Set(mappings.map(({ to }) => to));
    const isOpen = (fd: number) => kernel.raw("fcntl", fd, F.GETFD) >= 0;
    // What the command does not name stays as it is, its close-on-exec flag included.
    const moves = layout(mappings, [], isOpen).moves.filter(({ kind }) => kind !== "closeRange");
    const kept = new SavedFds(kernel, mappings);
    const close = kept.fds.filter((fd) => !targets.has(fd));
    const file = execFile(kernel.arch, plan, {
      moves,
      restore,
      close,
      parent: () => kernel.call("getppid"),
    });
    become(starter, plan, file, kept);
  } finally {
    childFds.close();
  }
}

/** Executes a program file. Where one in memory may not be executed, one on a disk is tried. */
function become(starter: Starter, plan: Plan, file: Uint8Array, kept: SavedFds): never {
  const { kernel, stages } = starter;
  for (;;) {
    const inMemory = stages.stage === "memfd";
    const image = openImage(starter, plan, file);
    try {
      kept.keep();
      const errno = execute(kernel, image.fd);
      if (inMemory && stages.isRefused({ call: { name: "execveat" }, errno })) continue;
      throw refused(plan, errno);
    } finally {
      kept.restore();
      image.close();
    }
  }
}

/** Reports the failures that can be foreseen while this process can still throw an error. */
function requireBeforehand({ kernel, files }: Starter, plan: Plan): void {
  const { command } = plan;
  const folder = findStep(plan, "chdir")?.path;
  const problem = folder === undefined ? undefined : folderProblem(kernel, folder);
  if (folder !== undefined && problem !== undefined) {
    const args = [JSON.stringify(folder)];
    const step = { step: "chdir", syscall: "chdir", args, path: folder };
    throw new SpawnError({ ...step, errno: problem, command });
  }
  const { path } = plan.exec;
  const access = files.access(path);
  const fails = (errno: number) =>
    spawnError({ ...call("exec", "execve", [{ text: path }]), path }, errno, command, files);
  if (access !== "ok") throw fails(errnoNumber(access) ?? E.EACCES);
  if (!isFormatKnown(files.head(path))) throw fails(E.ENOEXEC);
}

/** The calls that restore credentials after the exec of the program file, if the plan needs them. */
function restoreOver(kernel: Kernel, plan: Plan): readonly Call[] {
  const depends = findStep(plan, "identity") ?? findStep(plan, "step");
  if (depends === undefined) return [];
  const preservation = preserve(credentialsOf(kernel));
  if (preservation.kind === "none") return [];
  if (preservation.kind === "restore" && preservation.before.length === 0) {
    return preservation.after;
  }
  throw new UnsupportedError({
    feature: "exec with a change of identity",
    driver: "native",
    reason: preservation.kind === "impossible"
      ? preservation.reason
      : "the capabilities of this process do not survive an exec",
    remedy: "start the program as a child",
    command: plan.command,
  });
}

/** The descriptors of this process that the program file must find open. */
class SavedFds {
  readonly #kernel: Kernel;
  /** Those that would be closed by the exec. */
  readonly fds: readonly number[];

  constructor(kernel: Kernel, mappings: readonly Mapping[]) {
    this.#kernel = kernel;
    this.fds = [...new Set(mappings.map(({ from }) => from))]
      .filter((fd) => (kernel.call("fcntl", fd, F.GETFD) & FD_CLOEXEC) !== 0);
  }

  keep(): void {
    for (const fd of this.fds) this.#kernel.call("fcntl", fd, F.SETFD, 0);
  }

  restore(): void {
    for (const fd of this.fds) this.#kernel.raw("fcntl", fd, F.SETFD, FD_CLOEXEC);
  }
}

/** The program file: in memory, or where that is not allowed on a disk, without a name. */
function openImage(
  { kernel, stages }: Starter,
  plan: Plan,
  file: Uint8Array,
): { readonly fd: number; close(): void } {
  if (BigInt(file.length) > fileSizeLimit(kernel)) throw tooLarge(plan);
  if (stages.stage === "copy") return writeUnlinkedProgram(file);
  const fd = programMemfd(kernel);
  try {
    kernel.writeAll(fd, file);
  } catch (error) {
    kernel.close(fd);
    throw error;
  }
  return { fd, close: () => kernel.close(fd) };
}

/** execveat(2) in this process, which returns only if it fails: the errno. */
function execute(kernel: Kernel, fd: number): number {
  const { scratch, view, bytes } = kernel;
  const [EMPTY_AT, ARGV_AT, ENVP_AT, NAME_AT] = [0, 8, 24, 32];
  bytes.fill(0, 0, 64);
  bytes.set(encodeUtf8("vircommand"), NAME_AT);
  view.setBigUint64(ARGV_AT, BigInt(scratch + NAME_AT), true);
  const at = [scratch + EMPTY_AT, scratch + ARGV_AT, scratch + ENVP_AT] as const;
  return -kernel.raw("execveat", fd, ...at, AT_EMPTY_PATH);
}

/** The error if the program file may not be written; this process goes on. */
function tooLarge({ command }: Plan): SpawnError {
  return new SpawnError({
    step: "clone",
    syscall: "write",
    args: ["<program file>"],
    errno: E.EFBIG,
    detail: "EFBIG: the limit fsize of this process leaves no room for what exec needs",
    command,
  });
}

function refused({ command }: Plan, errno: number): SpawnError {
  return new SpawnError({
    step: "clone",
    syscall: "execveat",
    args: ["<program file>", '""', "…", "[]", "AT_EMPTY_PATH"],
    errno,
    command,
  });
}
