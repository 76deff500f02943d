/**
 * The drivers on Deno, and the choice between them.
 *
 * @module
 */

import type { Backend, DriverName } from "../../core/backend.ts";
import { choose } from "../choose.ts";
import { requireArch } from "../linux/arch_named.ts";
import { nativeBackend } from "../linux/native.ts";
import { denoHost } from "./host.ts";
import { denoLibc } from "./libc.ts";

/** The backend of this process, or the one with the driver that is asked for. */
export function createBackend(asked: DriverName | undefined): Backend {
  const { os, arch } = Deno.build;
  return choose(
    {
      native: (reason) =>
        nativeBackend(denoHost(), denoLibc(), requireArch("native", os, arch), reason),
    },
    asked,
    variable("VIRCOMMAND_DRIVER"),
  );
}

/** A variable, if this process may read it. */
function variable(name: string): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable: name });
  return state === "granted" ? Deno.env.get(name) : undefined;
}
