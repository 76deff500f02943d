/**
 * Deno's event loop and process, as the Linux engine needs them.
 *
 * @module
 */

import { closeSync } from "node:fs";
import { Socket } from "node:net";
import process from "node:process";
import { isMainThread } from "node:worker_threads";
import { holdByNewTimers } from "../linux/hold.ts";
import type { Host } from "../linux/host.ts";
import { hookCommand } from "./hook.ts";
import { socketSink, socketSource } from "../linux/socket.ts";

/** Makes the host. */
export function denoHost(): Host {
  return {
    runtime: "deno",
    version: Deno.version.deno,
    environment: () => Deno.env.toObject(),
    variable: (name) => Deno.env.get(name),
    currentFolder: () => Deno.cwd(),
    checkRun(path) {
      const { state } = Deno.permissions.querySync({ name: "run", command: path });
      if (state === "granted") return;
      throw new Deno.errors.NotCapable(
        `Requires run access to ${JSON.stringify(path)}, run again with the --allow-run flag`,
      );
    },
    closeRecorded(fd) {
      try {
        closeSync(fd);
        return true;
      } catch {
        return false;
      }
    },
    source: (fd) => socketSource(Socket, fd),
    sink: (fd) => socketSink(Socket, fd),
    hook: hookCommand,
    onThreadEnd(action) {
      if (!isMainThread) process.once("exit", action);
    },
    hold: holdByNewTimers,
    onChildSignal: (listener) => Deno.addSignalListener("SIGCHLD", listener),
  };
}
