/**
 * Deno's event loop and process, as the drivers for Linux need them.
 *
 * @module
 */

import { closeSync, constants } from "node:fs";
import { Socket } from "node:net";
import { codeOf } from "../../core/error_code.ts";
import { process } from "../process.ts";
import { isBefore } from "../version.ts";
import type { Host } from "../spawner/host.ts";
import { isWorker } from "./worker.ts";
import { openAboveStandard } from "../posix/files.ts";
import { denoHook } from "./hook.ts";
import { socketSink, socketSource } from "../spawner/socket.ts";

/**
 * Whether sockets can be made of descriptors. Releases before 2.8 are asked: a number that is out of
 * range is refused as such where they can. Later ones are not, since they look the error's source up
 * in a file, and panic if no descriptor is left for that.
 */
export function canAdoptDescriptors(): boolean {
  if (!isBefore(Deno.version.deno, [2, 8, 0])) return true;
  try {
    new Socket({ fd: -1 }).destroy();
    return true;
  } catch (error) {
    return error instanceof RangeError || codeOf(error) === "ERR_INVALID_FD_TYPE";
  }
}

/** Returns the host, given how variables are read that decide what this library does. */
export function denoHost(variable: (name: string) => string | undefined): Host {
  return {
    runtime: "deno",
    version: Deno.version.deno,
    environment: () => Deno.env.toObject(),
    // Queried first, since Deno would prompt the user otherwise.
    environmentIfAllowed: () => isGranted({ name: "env" }) ? Deno.env.toObject() : undefined,
    variable: (name) => Deno.env.get(name),
    currentFolder: () => Deno.cwd(),
    checkRun,
    checkFile(path, access) {
      if (isGranted({ name: access, path })) return;
      throw notCapable(`${access} access to ${JSON.stringify(path)}`, `--allow-${access}`);
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
    hook: denoHook(() => variable("VIRCOMMAND_RUNTIME")),
    lasting: !isWorker,
    closesFiles: true,
    // Deno closes its files with the thread, but not the descriptors of sockets that were made from
    // them.
    ...(isWorker ? { adopt } : {}),
    onThreadEnd(action) {
      if (isWorker) process.once("exit", action);
    },
    // `deno test` reports one that outlives its test.
    stopsListening: true,
    onSigchld(listener) {
      Deno.addSignalListener("SIGCHLD", listener);
      return () => Deno.removeSignalListener("SIGCHLD", listener);
    },
  };
}

/**
 * Opens a pipe again, if Deno allows it: /proc needs all permissions. Queried first, since Deno
 * would prompt.
 */
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

/** Variables that load code into a program, see ld.so(8). Deno.Command refuses the same. */
const LOADS_CODE = /^(LD_|DYLD_)[^=]*=.*\S/s;

/** The permission to run some programs does not include making them load other code. */
function checkRun(path: string, environment: () => Iterable<string>): void {
  if (isGranted({ name: "run" })) return;
  if (!isGranted({ name: "run", command: path })) {
    throw notCapable(`run access to ${JSON.stringify(path)}`, "--allow-run");
  }
  for (const variable of environment()) {
    if (!LOADS_CODE.test(variable)) continue;
    const [name = ""] = variable.split("=");
    throw notCapable(`run access to all programs for one with the variable ${name}`, "--allow-run");
  }
}

/** The error that Deno itself throws. */
function notCapable(what: string, flag: string): Error {
  return new Deno.errors.NotCapable(`Requires ${what}, run again with the ${flag} flag`);
}
