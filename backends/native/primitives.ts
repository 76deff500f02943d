/**
 * What a kernel or a sandbox may lack, how that is found out, and what is done then. The floor is
 * Linux 4.18; a seccomp profile can be older than any call. tests/conformance/old_kernels.test.ts
 * takes each of them away.
 *
 * @module
 */

import type { SyscallName } from "../child_program/arch.ts";
import { AT_EACCESS, AT_FDCWD, E } from "../../core/tables/kernel.ts";
import { LAST_FD } from "../../core/plan/descriptors.ts";
import type { Kernel } from "./kernel.ts";

/**
 * Whether a result means that a system call, or a flag of it, is not available: old kernels answer
 * ENOSYS or EINVAL, sandboxes (gVisor, seccomp profiles older than the call) any of these.
 */
export function isMissing(result: number): boolean {
  return result === -E.ENOSYS || result === -E.EPERM || result === -E.EINVAL;
}

/** One primitive. */
interface Primitive {
  /** Makes the call in a way that changes nothing; the result. */
  readonly probe: (kernel: Kernel) => number;
  /** What is done without it. */
  readonly instead: string;
}

/** The calls that can be missing and are tried when they are asked for. */
type PrimitiveName = Extract<
  SyscallName,
  "close_range" | "faccessat2" | "pidfd_open" | "pidfd_send_signal" | "memfd_create"
>;

/** A call on a pidfd of this process. */
function onOwnPidfd(kernel: Kernel, action: (pidfd: number) => number): number {
  const pidfd = kernel.raw("pidfd_open", kernel.call("getpid"), 0);
  if (pidfd < 0) return pidfd;
  try {
    return action(pidfd);
  } finally {
    kernel.close(pidfd);
  }
}

/** A file in memory, closed again. */
function memoryFile(kernel: Kernel): number {
  const fd = kernel.raw("memfd_create", kernel.path("probe"), 0);
  if (fd >= 0) kernel.close(fd);
  return fd;
}

/** The primitives that can be missing, by the name of the call. */
const PRIMITIVES: Readonly<Record<PrimitiveName, Primitive>> = {
  close_range: {
    // The last number, which nothing has.
    probe: (kernel) => kernel.raw("close_range", LAST_FD, LAST_FD, 0),
    instead: "descriptors are closed one by one",
  },
  faccessat2: {
    probe: (kernel) => kernel.raw("faccessat2", AT_FDCWD, kernel.path("/"), 0, AT_EACCESS),
    instead: "programs are looked up by faccessat(2), or by their mode bits",
  },
  pidfd_open: {
    probe: (kernel) => onOwnPidfd(kernel, () => 0),
    instead: "children and daemons are signalled by their pids; each child is asked for its end",
  },
  pidfd_send_signal: {
    probe: (kernel) => onOwnPidfd(kernel, (fd) => kernel.raw("pidfd_send_signal", fd, 0, 0, 0)),
    instead: "daemons are signalled by their pids",
  },
  memfd_create: {
    probe: memoryFile,
    instead: "memory is copied for children that must not share it",
  },
};

/** Whether the kernel has a primitive. */
export function hasPrimitive(kernel: Kernel, name: PrimitiveName): boolean {
  return !isMissing(PRIMITIVES[name].probe(kernel));
}

/** What is missing, for `backendInfo()`. `clone3` is what the self test has found out. */
export function missingPrimitives(
  kernel: Kernel,
  found: { readonly clone3: boolean; readonly proc: boolean },
): Record<string, string> {
  const missing = Object.entries(PRIMITIVES)
    .filter(([, { probe }]) => isMissing(probe(kernel)))
    .map(([name, { instead }]): [string, string] => [name, instead]);
  if (!found.clone3) missing.push(["clone3", "children reset their signal handlers themselves"]);
  if (!found.proc) missing.push(["/proc", "what it tells is not known, or refused"]);
  return Object.fromEntries(missing);
}
