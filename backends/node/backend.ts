/**
 * The drivers on Node, and the choice between them.
 *
 * @module
 */

import process from "node:process";
import { isMainThread } from "node:worker_threads";
import type { Backend } from "../../core/backend.ts";
import { UnsupportedError } from "../../core/errors.ts";
import { archNamed } from "../linux/arch_named.ts";
import { nativeBackend } from "../linux/native.ts";
import { nodeHost } from "./host.ts";
import { nodeFfi, nodeLibc } from "./libc.ts";

/** The backend of this process. */
export function createBackend(): Backend {
  const arch = process.platform === "linux" ? archNamed(process.arch) : undefined;
  // Node delivers no signals to worker threads: the end of a child would go unheard.
  const ffi = arch === undefined || !isMainThread ? undefined : nodeFfi();
  if (arch === undefined || ffi === undefined) {
    throw new UnsupportedError({
      feature: "starting programs",
      driver: "native",
      remedy: "use the main thread of Node 26.1 or newer on Linux, x86-64 or aarch64",
    });
  }
  return nativeBackend(nodeHost(), nodeLibc(ffi), arch);
}
