/**
 * The portable driver on the runtimes that have Node's `process`.
 *
 * @module
 */

import { process } from "../process.ts";
import type { Backend } from "../../core/backend.ts";
import type { Host } from "../spawner/host.ts";
import { archName } from "../child_program/arch_named.ts";
import type { Spawner } from "../spawner/spawner.ts";
import { portableBackend } from "./portable.ts";

/** Returns the driver for Node or Bun. */
export function portableOnProcess(
  host: Host,
  spawner: Spawner,
  spawnerName: string,
  reason: string,
): Backend {
  const onLinux = process.platform === "linux";
  const knowsUsers = process.getuid !== undefined && spawner.accepts?.("uid") !== false;
  const users = knowsUsers ? ["uid", "gid", "user"] as const : [];
  return portableBackend({
    ...host,
    os: process.platform,
    arch: archName(process.arch),
    spawner,
    spawnerName,
    features: ["passFd", ...users],
    remedy: onLinux ? "use the native or the launcher driver" : "use Linux on x86-64 or aarch64",
    limitsSyncOutput: spawner.accepts?.("maxBuffer") !== false,
  }, reason);
}
