/**
 * What a kernel or a sandbox may lack, and what is done then.
 *
 * @module
 */

import { E } from "../../core/tables/kernel.ts";

/**
 * Whether a result means that a system call, or a flag of it, is not to be had: old kernels answer
 * ENOSYS or EINVAL, sandboxes (gVisor, seccomp profiles older than the call) any of these.
 */
export function isMissing(result: number): boolean {
  return result === -E.ENOSYS || result === -E.EPERM || result === -E.EINVAL;
}
