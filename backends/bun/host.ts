/**
 * Bun's event loop and process, as the drivers for Linux need them.
 *
 * @module
 */

import { closeSync } from "node:fs";
import { isMainThread } from "node:worker_threads";
import { process } from "../process.ts";
import type { Host } from "../spawner/host.ts";
import { ownProcess } from "../posix/system.ts";
import { bunHook } from "./hook.ts";
import { bunSink, bunSource } from "./pipes.ts";
import { bun } from "./runtime.ts";

/** Returns the host. */
export function bunHost(): Host {
  return {
    runtime: "bun",
    version: bun.version,
    ...ownProcess,
    environmentIfAllowed: ownProcess.environment,
    source: (fd) => bunSource(fd, closeSync),
    sink: (fd) => bunSink(fd, closeSync),
    hook: bunHook,
    lasting: isMainThread,
    closesFiles: false,
    stopsListening: false,
    onSigchld(listener) {
      process.on("SIGCHLD", listener);
      return () => void process.off("SIGCHLD", listener);
    },
  };
}
