/**
 * Deno's event loop and process, as the Linux engine needs them.
 *
 * @module
 */

import { closeSync, constants } from "node:fs";
import { Socket } from "node:net";
import { process } from "../process.ts";
import { holdByNewTimers } from "../linux/hold.ts";
import type { Host } from "../linux/host.ts";
import { isWorker } from "./worker.ts";
import { openAboveStandard } from "../posix/files.ts";
import { hookCommand } from "./hook.ts";
import { socketSink, socketSource } from "../linux/socket.ts";

/** Makes the host. */
export function denoHost(): Host {
  return {
    runtime: "deno",
    version: Deno.version.deno,
    environment: () => Deno.env.toObject(),
    // Asked first, because Deno would ask the user otherwise.
    environmentIfAllowed: () =>
      Deno.permissions.querySync({ name: "env" }).state === "granted"
        ? Deno.env.toObject()
        : undefined,
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
    lasting: !isWorker,
    closesFiles: true,
    // Deno closes its files with the thread, but not the descriptors that a socket was given.
    ...(isWorker ? { adopt } : {}),
    onThreadEnd(action) {
      if (isWorker) process.once("exit", action);
    },
    hold: holdByNewTimers,
    onChildSignal: (listener) => Deno.addSignalListener("SIGCHLD", listener),
  };
}

/** Deno has /proc only for those with all permissions. */
function adopt(fd: number, flags: number): number | undefined {
  try {
    return openAboveStandard(`/proc/self/fd/${fd}`, flags | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
}
