/**
 * Program files in memory, see memfd_create(2).
 *
 * @module
 */

import type { Kernel } from "./kernel.ts";
import { E } from "../../core/tables/kernel.ts";

const MFD_CLOEXEC = 1;
/** Executable whatever vm.memfd_noexec says, short of 2. Since Linux 6.3; before, EINVAL. */
const MFD_EXEC = 0x10;
const PROC_NAME = "vircommand";

/** A file in memory that may be executed, closed on exec. */
export function programMemfd(kernel: Kernel): number {
  const fd = create(kernel);
  if (fd < 0) throw kernel.error("memfd_create", fd);
  return fd;
}

/** Whether there are such files here. That they may be executed as well only an exec tells. */
export function canExecuteMemfd(kernel: Kernel): boolean {
  const fd = create(kernel);
  if (fd < 0) return false;
  kernel.close(fd);
  return true;
}

function create(kernel: Kernel): number {
  const fd = kernel.raw("memfd_create", kernel.path(PROC_NAME), MFD_CLOEXEC | MFD_EXEC);
  return kernel.aboveStandard(
    fd === -E.EINVAL ? kernel.raw("memfd_create", kernel.path(PROC_NAME), MFD_CLOEXEC) : fd,
  );
}
