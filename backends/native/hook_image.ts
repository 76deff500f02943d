/**
 * The file with what comes after a hook. Its number must be known before its contents: they depend on
 * the layout of the child's descriptors, of which it is one.
 *
 * @module
 */

import { SpawnError } from "../../core/errors.ts";
import type { Plan } from "../../core/plan/plan.ts";
import { E, F, O } from "../../core/tables/kernel.ts";
import { writeUnlinkedProgram } from "../spawner/unlinked_file.ts";
import type { Kernel } from "./kernel.ts";
import { fileSizeLimit, programMemfd } from "./memfd.ts";
import type { Stage } from "./stage_two.ts";

/** Opens the descriptor. */
export function openHookImage(kernel: Kernel, stage: Stage): number {
  if (stage === "memfd") return programMemfd(kernel);
  const devNull = kernel.nullFd();
  try {
    return kernel.call("fcntl", devNull, F.DUPFD_CLOEXEC, 3);
  } finally {
    if (!kernel.lasting && devNull >= 0) kernel.close(devNull);
  }
}

/** Writes the contents: into memory, or to an unlinked file on a disk that takes the number. */
export function writeHookImage(
  kernel: Kernel,
  stage: Stage,
  plan: Plan,
  fd: number,
  contents: Uint8Array,
): void {
  if (BigInt(contents.length) > fileSizeLimit(kernel)) {
    throw new SpawnError({
      step: "preExec",
      syscall: "write",
      args: [String(fd), "…", String(contents.length)],
      errno: E.EFBIG,
      detail: "EFBIG: the limit fsize of this process leaves no room for what a hook needs",
      command: plan.command,
    });
  }
  if (stage === "memfd") return kernel.writeAll(fd, contents);
  const placed = writeUnlinkedProgram(contents);
  try {
    kernel.call("dup3", placed.fd, fd, O.CLOEXEC);
  } finally {
    placed.close();
  }
}
