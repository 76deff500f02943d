/**
 * Bun's event loop and process, as the Linux engine needs them.
 *
 * @module
 */

import { closeSync } from "node:fs";
import { isMainThread } from "node:worker_threads";
import { process } from "../process.ts";
import { keepAliveByOneTimer } from "../spawner/keep_alive.ts";
import type { Host } from "../spawner/host.ts";
import { hookCommand } from "./hook.ts";
import { bunSink, bunSource } from "./pipes.ts";
import { bun } from "./runtime.ts";

const environment = () => ({ ...process.env }) as Record<string, string>;

/** Makes the host. */
export function bunHost(): Host {
  return {
    runtime: "bun",
    version: bun.version,
    environment,
    environmentIfAllowed: environment,
    // Not what every object has, such as `constructor`.
    variable: (name) => Object.hasOwn(process.env, name) ? process.env[name] : undefined,
    currentFolder: () => process.cwd(),
    source: (fd) => bunSource(fd, closeSync),
    sink: (fd) => bunSink(fd, closeSync),
    hook: hookCommand,
    lasting: isMainThread,
    closesFiles: false,
    keepAlive: keepAliveByOneTimer,
    onSigchld: (listener) => void process.on("SIGCHLD", listener),
  };
}
