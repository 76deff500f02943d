/**
 * The drivers on Deno, and the choice between them.
 *
 * @module
 */

import type { Backend, DriverName } from "../../core/backend.ts";
import { UnsupportedError } from "../../core/errors.ts";
import { choose } from "../choose.ts";
import { archName, requireArch } from "../linux/arch_named.ts";
import { nativeBackend } from "../linux/native.ts";
import { portableBackend } from "../portable/portable.ts";
import { denoHost } from "./host.ts";
import { denoLibc } from "./libc.ts";
import { denoSpawner } from "./spawner.ts";

/** The backend of this process, or the one with the driver that is asked for. */
export function createBackend(asked: DriverName | undefined): Backend {
  const { os, arch } = Deno.build;
  const host = denoHost();
  return choose(
    {
      native(reason) {
        const known = requireArch("native", os, arch);
        requireFfi();
        return nativeBackend(host, denoLibc(), known, reason);
      },
      portable: (reason) =>
        portableBackend({
          ...host,
          os,
          arch: archName(arch),
          spawner: denoSpawner(),
          spawnerName: "Deno.Command",
          features: os === "windows" ? [] : ["uid", "gid", "user"],
          remedy: os === "linux" ? "grant --allow-ffi" : "use Linux on x86-64 or aarch64",
          boundsSync: false,
        }, reason),
    },
    asked,
    variable("VIRCOMMAND_DRIVER"),
  );
}

/** Asked first, because Deno would ask the user otherwise. */
function requireFfi(): void {
  if (Deno.permissions.querySync({ name: "ffi" }).state === "granted") return;
  throw new UnsupportedError({
    feature: "FFI",
    driver: "native",
    reason: "this process has no leave to use it",
    remedy: "grant --allow-ffi",
  });
}

/** A variable, if this process may read it. */
function variable(name: string): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable: name });
  return state === "granted" ? Deno.env.get(name) : undefined;
}
