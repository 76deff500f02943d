/**
 * Deno's event loop and process, as the Linux engine needs them.
 *
 * @module
 */

import { closeSync, constants } from "node:fs";
import { Socket } from "node:net";
import { codeOf } from "../../core/error_code.ts";
import { process } from "../process.ts";
import { keepAliveByNewTimers } from "../spawner/keep_alive.ts";
import type { Host } from "../spawner/host.ts";
import { isWorker } from "./worker.ts";
import { openAboveStandard } from "../posix/files.ts";
import { hookCommand } from "./hook.ts";
import { socketSink, socketSource } from "../spawner/socket.ts";

/** Whether sockets can be made of descriptors: one that is out of range is refused as such. */
export function canAdoptDescriptors(): boolean {
  try {
    new Socket({ fd: -1 }).destroy();
    return true;
  } catch (error) {
    return error instanceof RangeError || codeOf(error) === "ERR_INVALID_FD_TYPE";
  }
}

/** Makes the host. */
export function denoHost(): Host {
  return {
    runtime: "deno",
    version: Deno.version.deno,
    environment: () => Deno.env.toObject(),
    // Asked first, because Deno would ask the user otherwise.
    environmentIfAllowed: () => isGranted({ name: "env" }) ? Deno.env.toObject() : undefined,
    variable: (name) => Deno.env.get(name),
    currentFolder: () => Deno.cwd(),
    checkRun,
    checkFile(path, access) {
      if (isGranted({ name: access, path })) return;
      throw refusal(`${access} access to ${JSON.stringify(path)}`, `--allow-${access}`);
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
    keepAlive: keepAliveByNewTimers,
    onSigchld: (listener) => Deno.addSignalListener("SIGCHLD", listener),
  };
}

/** Deno has /proc only for those with all permissions. Asked first, because it would ask the user. */
function adopt(fd: number, flags: number): number | undefined {
  const path = `/proc/self/fd/${fd}`;
  const names = ["read", "write"] as const;
  if (names.some((name) => !isGranted({ name, path }))) return undefined;
  try {
    return openAboveStandard(path, flags | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
}

function isGranted(descriptor: Parameters<typeof Deno.permissions.querySync>[0]): boolean {
  return Deno.permissions.querySync(descriptor).state === "granted";
}

/** What loads code into another program. Deno.Command refuses the same: see ld.so(8). */
const LOADS_CODE = /^(LD_|DYLD_)[^=]*=.*\S/s;

/** Who may run some programs may not make them run something else. */
function checkRun(path: string, environment: () => Iterable<string>): void {
  if (isGranted({ name: "run" })) return;
  if (!isGranted({ name: "run", command: path })) {
    throw refusal(`run access to ${JSON.stringify(path)}`, "--allow-run");
  }
  for (const variable of environment()) {
    if (!LOADS_CODE.test(variable)) continue;
    const [name = ""] = variable.split("=");
    throw refusal(`run access to all programs for one with the variable ${name}`, "--allow-run");
  }
}

function refusal(what: string, flag: string): Error {
  return new Deno.errors.NotCapable(`Requires ${what}, run again with the ${flag} flag`);
}
