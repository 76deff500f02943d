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
 * Earlier releases pass the self test and end with a segmentation fault in one of the next calls,
 * which nothing can catch; see docs/decisions/0014-versions-of-runtimes.md.
 */
const NATIVE_SINCE = [1, 2, 17] as const;

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
        if (isBefore(bun.version, NATIVE_SINCE)) {
          const remedy = `use Bun ${NATIVE_SINCE.join(".")} or newer`;
          throw refusal(`Bun ${bun.version} crashes when it is used`, remedy);
        }
        // Bun delivers no signals to worker threads: the end of a child would go unheard.
        if (!isMainThread) throw refusal("this is a worker thread", "use the main thread");
        return nativeBackend(host, bunLibc(), arch, { reason, stage });
      },
      launcher: (reason) =>
        launcherBackend(host, archFor("launcher"), bunSpawner(), reason, {
          hooks: { any: true, withPidFile: true },
          execve: undefined,
        }),
      portable: (reason) => portableOnProcess(host, bunSpawner(), "Bun.spawn", reason),
    },
    asked,
    trusted(process.env["VIRCOMMAND_DRIVER"]),
  );
}

function refusal(reason: string, remedy: string): UnsupportedError {
  return new UnsupportedError({ feature: "FFI", driver: "native", reason, remedy });
}
