/**
 * The drivers on Bun, and the choice between them.
 *
 * @module
 */

import { process } from "../process.ts";
import { isMainThread } from "node:worker_threads";
import type { Backend } from "../../core/backend.ts";
import type { DriverName } from "../../core/drivers.ts";
import { UnsupportedError } from "../../core/errors.ts";
import { choose } from "../choose.ts";
import { launcherBackend } from "../launcher/launcher.ts";
import { requireArch } from "../child_program/arch_named.ts";
import { nativeBackend } from "../native/native.ts";
import { stageNamed } from "../native/stage_two.ts";
import { portableOnProcess } from "../portable/on_process.ts";
import { trusted } from "../posix/elevated.ts";
import { isBefore } from "../version.ts";
import { bunHost } from "./host.ts";
import { bunLibc } from "./libc.ts";
import { bun } from "./runtime.ts";
import { bunSpawner } from "./spawner.ts";

/**
 * Earlier releases close descriptors that they were given and no longer have: the ones of others.
 * That shows only later, on the native driver as a segmentation fault, which nothing can catch; so
 * it cannot be tried. See docs/decisions/0012-old-releases.md.
 */
const KEEPS_DESCRIPTORS_SINCE = [1, 2, 17] as const;

function requireDescriptors(driver: DriverName): void {
  if (!isBefore(bun.version, KEEPS_DESCRIPTORS_SINCE)) return;
  throw new UnsupportedError({
    feature: "starting programs",
    driver,
    reason: `Bun ${bun.version} closes descriptors of others`,
    remedy: `use Bun ${KEEPS_DESCRIPTORS_SINCE.join(".")} or newer`,
  });
}

/** The current folder, absolute. Throws if it was removed. */
export function currentFolder(): string {
  return process.cwd();
}

/** The backend of this process, or the one with the driver that is asked for. */
export function createBackend(asked: DriverName | undefined): Backend {
  const host = bunHost();
  const stage = stageNamed(trusted(process.env["VIRCOMMAND_STAGE"]));
  const archFor = (driver: DriverName) => requireArch(driver, process.platform, process.arch);
  return choose(
    {
      native(reason) {
        const arch = archFor("native");
        requireDescriptors("native");
        // Bun delivers no signals to worker threads: the end of a child would go unheard.
        if (!isMainThread) throw refusal("this is a worker thread", "use the main thread");
        return nativeBackend(host, bunLibc(), arch, { reason, stage });
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

function refusal(reason: string, remedy: string): UnsupportedError {
  return new UnsupportedError({ feature: "FFI", driver: "native", reason, remedy });
}
