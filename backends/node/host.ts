/**
 * Node's event loop and process, as the drivers for Linux need them.
 *
 * @module
 */

import { Socket } from "node:net";
import { resolve } from "node:path";
import { process } from "../process.ts";
import { isMainThread } from "node:worker_threads";
import { openUnrecorded } from "./pipe.ts";
import type { Host } from "../spawner/host.ts";
import { ownProcess } from "../posix/system.ts";
import { nodeHook } from "./hook.ts";
import { isCopy, onSigchld } from "./signals.ts";
import { socketSink, socketSource } from "../spawner/socket.ts";

/** `process.permission`, which Node has with `--permission`. */
interface Permission {
  has(scope: string, reference?: string): boolean;
}

/** The checks that Node makes for its own API. */
function checks({ has }: Permission): Pick<Host, "checkRun" | "checkFile"> {
  return {
    checkRun(path) {
      if (!has("child")) throw denied("ChildProcess", path, "--allow-child-process");
    },
    checkFile(path, access) {
      if (has(`fs.${access}`, resolve(path))) return;
      const scope = access === "read" ? "FileSystemRead" : "FileSystemWrite";
      throw denied(scope, path, `--allow-fs-${access}`);
    },
  };
}

/** The error that Node itself throws. */
function denied(permission: string, resource: string, flag: string): Error {
  const message = `Access to this API has been restricted. Use ${flag} to manage permissions.`;
  return Object.assign(new Error(message), { code: "ERR_ACCESS_DENIED", permission, resource });
}

/** Returns the host. */
export function nodeHost(): Host {
  const { permission } = process as { permission?: Permission };
  return {
    runtime: "node",
    version: process.versions.node,
    ...ownProcess,
    environmentIfAllowed: ownProcess.environment,
    source: (fd) => socketSource(Socket, fd),
    sink: (fd) => socketSink(Socket, fd),
    ...(permission === undefined ? {} : checks(permission)),
    hook: nodeHook,
    lasting: isMainThread,
    closesFiles: true,
    ...(isMainThread ? {} : { openPipe: openUnrecorded }),
    stopsListening: isCopy,
    onSigchld,
  };
}
