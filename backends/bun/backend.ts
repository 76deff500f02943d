/**
 * The drivers on Bun, and the choice between them.
 *
 * @module
 */

import { process } from "../process.ts";
import type { Backend } from "../../core/backend.ts";
import type { DriverName } from "../../core/drivers.ts";
import { UnsupportedError } from "../../core/errors.ts";
import { choose } from "../choose.ts";
import { ffiUnsupported, requireMainThread } from "../ffi.ts";
import { launcherBackend } from "../launcher/launcher.ts";
import { requireArch } from "../child_program/arch_named.ts";
import { nativeBackend } from "../native/native.ts";
import { stageNamed } from "../native/stage_two.ts";
import { portableOnProcess } from "../portable/on_process.ts";
import { trusted } from "../posix/elevated.ts";
import { isBefore } from "../version.ts";
import { bunHost } from "./host.ts";
import { bunFfi, bunLibc } from "./libc.ts";
import { bun } from "./runtime.ts";
import { bunSpawner } from "./spawner.ts";

/**
 * Earlier releases close descriptors again that they have already closed, which may be those of
 * others by then. The native driver crashes with a segmentation fault, which nothing can catch, so
 * this cannot be tried. See docs/decisions/0012-old-releases.md.
 */
const KEEPS_DESCRIPTORS_SINCE = [1, 2, 17] as const;

/** Throws an UnsupportedError on a release that closes descriptors of others. */
function requireDescriptors(driver: DriverName): void {
  if (!isBefore(bun.version, KEEPS_DESCRIPTORS_SINCE)) return;
  throw new UnsupportedError({
    feature: "starting programs",
    driver,
    reason: `Bun ${bun.version} closes descriptors of others`,
    remedy: `use Bun ${KEEPS_DESCRIPTORS_SINCE.join(".")} or newer`,
  });
}

/** Returns the backend of this process; the one with the driver `asked` for, if any. */
export function createBackend(asked: DriverName | undefined): Backend {
  const host = bunHost();
  const stage = stageNamed(trusted(process.env["VIRCOMMAND_STAGE"]));
  const archFor = (driver: DriverName) => requireArch(driver, process.platform, process.arch);
  return choose(
    {
      native(reason) {
        const arch = archFor("native");
        requireDescriptors("native");
        requireMainThread();
        const ffi = bunFfi();
        if (ffi === undefined) throw ffiUnsupported("this Bun has no bun:ffi", "use a newer Bun");
        return nativeBackend(host, bunLibc(ffi), arch, { reason, stage });
      },
      launcher(reason) {
        requireDescriptors("launcher");
        return launcherBackend(host, archFor("launcher"), bunSpawner(), reason, {
          hooks: { any: true, withPidFile: true },
          execve: undefined,
        });
      },
      portable: (reason) => portableOnProcess(host, bunSpawner(), "Bun.spawn", reason),
    },
    asked,
    trusted(process.env["VIRCOMMAND_DRIVER"]),
  );
}
