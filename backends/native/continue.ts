/**
 * How a process goes on after its hook: it executes the file with the program after it.
 *
 * @module
 */

import type { Continue } from "../hook.ts";
import type { Arch } from "../child_program/arch.ts";
import { Kernel } from "./kernel.ts";
import { AT_EMPTY_PATH, F } from "../../core/tables/kernel.ts";
import type { Libc } from "./libc.ts";

/** Makes the continuation. */
export function continuation(libc: Libc, arch: Arch): Continue {
  return (image, keep) => {
    const kernel = new Kernel(libc, arch);
    // A runtime marks what it has inherited as close-on-exec.
    for (const fd of keep) kernel.raw("fcntl", fd, F.SETFD, 0);
    // Empty path, argv = { empty path, NULL }, envp = { NULL }
    const { scratch, view } = kernel;
    const [EMPTY_AT, ARGV_AT, ENVP_AT] = [0, 8, 16];
    kernel.bytes.fill(0, 0, 64);
    view.setBigUint64(ARGV_AT, BigInt(scratch + EMPTY_AT), true);
    view.setBigUint64(ARGV_AT + 8, 0n, true);
    const envp = scratch + ENVP_AT;
    const result = kernel.raw(
      "execveat",
      image,
      scratch + EMPTY_AT,
      scratch + ARGV_AT,
      envp,
      AT_EMPTY_PATH,
    );
    return { errno: -result };
  };
}
