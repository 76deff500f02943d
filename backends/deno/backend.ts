/**
 * The drivers on Deno, and the choice between them.
 *
 * @module
 */

import type { Backend } from "../../core/backend.ts";
import type { DriverName } from "../../core/drivers.ts";
import { choose } from "../choose.ts";
import { ffiUnsupported } from "../ffi.ts";
import { archName, requireArch } from "../child_program/arch_named.ts";
import { nativeBackend } from "../native/native.ts";
import { stageNamed } from "../native/stage_two.ts";
import { portableBackend } from "../portable/portable.ts";
import { elevated, trusted } from "../posix/elevated.ts";
import { canAdoptDescriptors, denoHost } from "./host.ts";
import { denoLibc } from "./libc.ts";
import { denoSpawner } from "./spawner.ts";

/** Returns the backend of this process; the one with the driver `asked` for, if any. */
export function createBackend(asked: DriverName | undefined): Backend {
  const { os, arch } = Deno.build;
  const host = denoHost((name) => trusted(variable(name), isElevated));
  const stage = stageNamed(trusted(variable("VIRCOMMAND_STAGE"), isElevated));
  return choose(
    {
      native(reason) {
        const linuxArch = requireArch("native", os, arch);
        requireFfi();
        requireSockets();
        return nativeBackend(host, denoLibc(), linuxArch, { reason, stage });
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

function requireFfi(): void {
  if (isFfiGranted()) return;
  throw ffiUnsupported("this process has no permission to use it", "grant --allow-ffi");
}

/** Queried first, since Deno would prompt the user otherwise. */
function isFfiGranted(): boolean {
  return Deno.permissions.querySync({ name: "ffi" }).state === "granted";
}

/** The event loop reads and writes pipes as sockets, which Deno supports since 2.8. */
function requireSockets(): void {
  if (canAdoptDescriptors()) return;
  const reason = `Deno ${Deno.version.deno} cannot read from a descriptor in its event loop`;
  throw ffiUnsupported(reason, "use Deno 2.8 or newer");
}

/** See getauxval(3). */
const AT_SECURE = 23;

/** Asks libc as well, if it may: Deno allows /proc only with all permissions. */
function isElevated(): boolean {
  if (elevated()) return true;
  return Deno.build.os === "linux" && isFfiGranted() && denoLibc().getauxval(AT_SECURE) !== 0;
}

/** Returns a variable; undefined if this process may not read it. */
function variable(name: string): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable: name });
  return state === "granted" ? Deno.env.get(name) : undefined;
}
