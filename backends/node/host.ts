/**
 * Node's event loop and process, as the Linux engine needs them.
 *
 * @module
 */

import { Socket } from "node:net";
import process from "node:process";
import { holdByOneTimer } from "../linux/hold.ts";
import type { Host } from "../linux/host.ts";
import { hookCommand } from "./hook.ts";
import { socketSink, socketSource } from "../linux/socket.ts";

/** Makes the host. */
export function nodeHost(): Host {
  return {
    runtime: "node",
    version: process.versions.node,
    environment: () => ({ ...process.env }) as Record<string, string>,
    // Not what every object has, such as `constructor`.
    variable: (name) => Object.hasOwn(process.env, name) ? process.env[name] : undefined,
    currentFolder: () => process.cwd(),
    source: (fd) => socketSource(Socket, fd),
    sink: (fd) => socketSink(Socket, fd),
    hook: hookCommand,
    hold: holdByOneTimer,
    onChildSignal: (listener) => void process.on("SIGCHLD", listener),
  };
}
