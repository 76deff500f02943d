/**
 * The drivers on Node, and the choice between them.
 *
 * @module
 */

import { process } from "../process.ts";
import type { Backend } from "../../core/backend.ts";
import type { DriverName } from "../../core/drivers.ts";
import { choose } from "../choose.ts";
import { ffiUnsupported, requireMainThread } from "../ffi.ts";
import { launcherBackend } from "../launcher/launcher.ts";
import { requireArch } from "../child_program/arch_named.ts";
import { nativeBackend } from "../native/native.ts";
import { stageNamed } from "../native/stage_two.ts";
import { portableOnProcess } from "../portable/on_process.ts";
import { trusted } from "../posix/elevated.ts";
import { childProcessSpawner } from "../spawner/child_process.ts";
import { execveOf } from "./hook.ts";
import { nodeHost } from "./host.ts";
import { nodeFfi, nodeLibc } from "./libc.ts";

const FFI_REMEDY =
  "use Node 26.9 or newer, or Node 26.1 to 26.8 with --experimental-ffi; with --permission, add --allow-ffi";

/** Returns the backend of this process; the one with the driver `asked` for, if any. */
export function createBackend(asked: DriverName | undefined): Backend {
  const host = nodeHost();
  const stage = stageNamed(trusted(process.env["VIRCOMMAND_STAGE"]));
  const archFor = (driver: DriverName) => requireArch(driver, process.platform, process.arch);
  return choose(
    {
      native(reason) {
        const arch = archFor("native");
        requireMainThread();
        const ffi = nodeFfi();
        if (ffi === undefined) {
          throw ffiUnsupported("this Node has no node:ffi, or does not allow it", FFI_REMEDY);
        }
        return nativeBackend(host, nodeLibc(ffi), arch, { reason, stage });
      },
      launcher: (reason) =>
        launcherBackend(host, archFor("launcher"), childProcessSpawner(), reason, {
          hooks: { any: execveOf() !== undefined, withPidFile: nodeFfi() !== undefined },
          execve: execveOf(),
        }),
      portable: (reason) =>
        portableOnProcess(host, childProcessSpawner(), "child_process.spawn", reason),
    },
    asked,
    trusted(process.env["VIRCOMMAND_DRIVER"]),
  );
}
