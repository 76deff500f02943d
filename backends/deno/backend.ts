/**
 * The drivers on Deno, and the choice between them.
 *
 * @module
 */

import type { Backend } from "../../core/backend.ts";
import type { DriverName } from "../../core/drivers.ts";
import { UnsupportedError } from "../../core/errors.ts";
import { choose } from "../choose.ts";
import { archName, requireArch } from "../child_program/arch_named.ts";
import { nativeBackend } from "../native/native.ts";
import { stageNamed } from "../native/stage_two.ts";
import { portableBackend } from "../portable/portable.ts";
import { elevated, trusted } from "../posix/elevated.ts";
import { canAdoptDescriptors, denoHost } from "./host.ts";
import { denoLibc } from "./libc.ts";
import { denoSpawner } from "./spawner.ts";

/** The current folder, absolute. Throws if it was removed. */
export function currentFolder(): string {
  return Deno.cwd();
}

/** The backend of this process, or the one with the driver that is asked for. */
export function createBackend(asked: DriverName | undefined): Backend {
  const { os, arch } = Deno.build;
  const host = denoHost();
  const stage = stageNamed(trusted(variable("VIRCOMMAND_STAGE"), isElevated));
  return choose(
    {
      native(reason) {
        const known = requireArch("native", os, arch);
        requireFfi();
        requireSockets();
        return nativeBackend(host, denoLibc(), known, { reason, stage });
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
          limitsSyncOutput: false,
        }, reason),
    },
    asked,
    trusted(variable("VIRCOMMAND_DRIVER"), isElevated),
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

/** The event loop reads and writes pipes through sockets, which Deno makes of them since 2.8. */
function requireSockets(): void {
  if (canAdoptDescriptors()) return;
  throw new UnsupportedError({
    feature: "FFI",
    driver: "native",
    reason: `Deno ${Deno.version.deno} cannot read from a descriptor in its event loop`,
    remedy: "use Deno 2.8 or newer",
  });
}

/** By libc if it may be asked: /proc is closed to those who have not all permissions. */
function isElevated(): boolean {
  const AT_SECURE = 23;
  const mayAsk = Deno.build.os === "linux" &&
    Deno.permissions.querySync({ name: "ffi" }).state === "granted";
  return elevated() || (mayAsk && denoLibc().getauxval(AT_SECURE) !== 0);
}

/** A variable, if this process may read it. */
function variable(name: string): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable: name });
  return state === "granted" ? Deno.env.get(name) : undefined;
}
