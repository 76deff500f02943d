/**
 * The drivers on Bun, and the choice between them.
 *
 * @module
 */

import process from "node:process";
import { isMainThread } from "node:worker_threads";
import type { Backend } from "../../core/backend.ts";
import { UnsupportedError } from "../../core/errors.ts";
import { archNamed } from "../linux/arch_named.ts";
import { nativeBackend } from "../linux/native.ts";
import { bunHost } from "./host.ts";
import { bunLibc } from "./libc.ts";

/** The backend of this process. */
export function createBackend(): Backend {
  // Bun delivers no signals to worker threads: the end of a child would go unheard.
  const usable = process.platform === "linux" && isMainThread;
  const arch = usable ? archNamed(process.arch) : undefined;
  if (arch === undefined) {
    throw new UnsupportedError({
      feature: "starting programs",
      driver: "native",
      remedy: "use the main thread on Linux, x86-64 or aarch64",
    });
  }
  return nativeBackend(bunHost(), bunLibc(), arch);
}
