/**
 * Program files in memory, see memfd_create(2).
 *
 * @module
 */

import type { Kernel } from "./kernel.ts";
import { E, MFD } from "../../core/tables/kernel.ts";
import { LIMIT_INFINITY, limits } from "../../core/tables/limits.ts";

const PROC_NAME = "vircommand";

/** A file in memory that may be executed, closed on exec. */
export function programMemfd(kernel: Kernel): number {
  const fd = create(kernel);
  if (fd < 0) throw kernel.error("memfd_create", fd);
  return fd;
}

/** Whether there are such files. Whether they may be executed is known only after an exec. */
export function canExecuteMemfd(kernel: Kernel): boolean {
  const fd = create(kernel);
  if (fd < 0) return false;
  kernel.close(fd);
  return true;
}

function create(kernel: Kernel): number {
  const fd = kernel.raw("memfd_create", kernel.path(PROC_NAME), MFD.CLOEXEC | MFD.EXEC);
  // EINVAL: a kernel before 6.3, which has no MFD_EXEC.
  return kernel.aboveStandard(
    fd === -E.EINVAL ? kernel.raw("memfd_create", kernel.path(PROC_NAME), MFD.CLOEXEC) : fd,
  );
}

/**
 * How large a file may be that this process writes, in bytes. Writing beyond the soft limit would end
 * the process by SIGXFSZ, see setrlimit(2).
 */
export function fileSizeLimit(kernel: Kernel): bigint {
  kernel.call("prlimit64", 0, limits.fsize, 0, kernel.scratch);
  const soft = kernel.view.getBigUint64(0, true);
  return soft === LIMIT_INFINITY ? BigInt(Number.MAX_SAFE_INTEGER) : soft;
}
