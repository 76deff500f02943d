/**
 * Node's event loop and process, as the Linux engine needs them.
 *
 * @module
 */

import { Socket } from "node:net";
import { resolve } from "node:path";
import { process } from "../process.ts";
import { isMainThread } from "node:worker_threads";
import { openUnrecorded } from "./pipe.ts";
import { keepAliveByOneTimer } from "../spawner/keep_alive.ts";
import type { Host } from "../spawner/host.ts";
import { hookCommand } from "./hook.ts";
import { socketSink, socketSource } from "../spawner/socket.ts";

/** What Node has with `--permission`. */
interface Permission {
  has(scope: string, reference?: string): boolean;
}

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

/** A worker that shares the variables may delete one between the look at names and at values. */
function environment(): Record<string, string> {
  const all = { ...process.env };
  for (const name of Object.keys(all)) if (all[name] === undefined) delete all[name];
  return all as Record<string, string>;
}

/** Makes the host. */
export function nodeHost(): Host {
  const { permission } = process as { permission?: Permission };
  return {
    runtime: "node",
    version: process.versions.node,
    environment,
    environmentIfAllowed: environment,
    // Not what every object has, such as `constructor`.
    variable: (name) => Object.hasOwn(process.env, name) ? process.env[name] : undefined,
    currentFolder: () => process.cwd(),
    source: (fd) => socketSource(Socket, fd),
    sink: (fd) => socketSink(Socket, fd),
    ...(permission === undefined ? {} : checks(permission)),
    hook: hookCommand,
    lasting: isMainThread,
    closesFiles: true,
    ...(isMainThread ? {} : { openPipe: openUnrecorded }),
    keepAlive: keepAliveByOneTimer,
    onSigchld: (listener) => void process.on("SIGCHLD", listener),
  };
}
