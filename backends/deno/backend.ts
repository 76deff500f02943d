/**
 * The drivers on Deno, and the choice between them.
 *
 * @module
 */

import type { Backend } from "../../core/backend.ts";
import { UnsupportedError } from "../../core/errors.ts";
import { archNamed } from "../linux/arch_named.ts";
import { nativeBackend } from "../linux/native.ts";
import { denoHost } from "./host.ts";
import { denoLibc } from "./libc.ts";

/** The backend of this process. */
export function createBackend(): Backend {
  const arch = Deno.build.os === "linux" ? archNamed(Deno.build.arch) : undefined;
  if (arch === undefined) {
    throw new UnsupportedError({
      feature: "starting programs",
      driver: "native",
      remedy: "use Linux, x86-64 or aarch64",
    });
  }
  return nativeBackend(denoHost(), denoLibc(), arch);
}
