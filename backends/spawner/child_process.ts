/**
 * Starting programs with `node:child_process`.
 *
 * @module
 */

import {
  type ChildProcess,
  spawn,
  type SpawnOptions,
  spawnSync,
  type SpawnSyncOptions,
} from "node:child_process";
import { UNKNOWN_USAGE } from "../../core/result/result.ts";
import type { Exit } from "../../core/backend.ts";
import { SystemCallError } from "../../core/errors.ts";
import { own, shielded } from "../../core/own.ts";
import { duplexChannel, readableSource, writableSink } from "./node_streams.ts";
import {
  beyond,
  errnoOf,
  killError,
  rawOfSignal,
  REAL_TIME,
  sendByNumber,
  type Spawned,
  type Spawner,
  type SpawnRequest,
  StartError,
  type Stdio,
  type SyncRequest,
  type SyncSpawned,
} from "./spawner.ts";
import { E } from "../../core/tables/kernel.ts";
import { codeOf } from "../../core/error_code.ts";

/** Sends a signal by its number to a process that was not reaped; false if it is gone. */
type Send = (pid: number, signal: number) => boolean;

/** The spawner; `send` is for signals that `kill` of a child process does not take. */
export function childProcessSpawner(send: Send = sendByNumber): Spawner {
  return { spawn: (request) => start(request, send), spawnSync: startSync };
}

async function start(request: SpawnRequest, send: Send): Promise<Spawned> {
  let child: ChildProcess;
  try {
    const options = optionsOf(request);
    child = shielded(() => spawn(request.path, request.argv.slice(1), options));
  } catch (error) {
    throw startError(error);
  }
  const { pid } = child;
  if (pid === undefined) {
    throw startError(await new Promise<Error>((resolve) => child.once("error", resolve)));
  }
  // A kill(2) that is refused comes as an event, while it is called.
  let refusal: Error | undefined;
  child.on("error", (error) => refusal = error);
  let over = false;
  const exited = new Promise<Exit>((resolve) =>
    child.once("exit", (code, signal) => {
      over = true;
      resolve({ raw: rawOf(code, signal), usage: UNKNOWN_USAGE });
    })
  );
  const [stdin, stdout, stderr] = child.stdio;
  const at = request.stdio.indexOf("channel");
  const channel = at < 0 ? undefined : child.stdio[at];
  return {
    pid,
    stdin: stdin ? writableSink(stdin) : undefined,
    stdout: stdout ? readableSource(stdout) : undefined,
    stderr: stderr ? readableSource(stderr) : undefined,
    channel: channel ? duplexChannel(channel as Parameters<typeof duplexChannel>[0]) : undefined,
    exited,
    // Not by `signalCode`: on Deno that is set as soon as a signal was sent.
    kill(signal) {
      if (over) return false;
      if (signal >= REAL_TIME) return send(pid, signal);
      refusal = undefined;
      try {
        const sent = child.kill(signal);
        if (refusal === undefined) return sent;
      } catch (error) {
        throw killError(pid, signal, error);
      }
      throw killError(pid, signal, refusal);
    },
    ref: () => void child.ref(),
    unref: () => void child.unref(),
  };
}

function startSync(request: SyncRequest): SyncSpawned {
  const { input, timeout, killSignal } = request;
  const maxBuffer = Math.floor(request.maxBuffer);
  const options = own<SpawnSyncOptions>({
    ...optionsOf(request),
    // Node takes 0 for no limit; half a byte is less than the first one.
    maxBuffer: maxBuffer === 0 ? 0.5 : maxBuffer,
    input,
    timeout: timeout === undefined ? undefined : Math.max(1, Math.ceil(timeout)),
    killSignal: killSignal as NodeJS.Signals & number,
    encoding: undefined,
  } as SpawnSyncOptions);
  const result = shielded(() => spawnSync(request.path, request.argv.slice(1), options));
  const { status, signal, error } = result;
  const code = codeOf(error);
  if (error !== undefined && code !== "ETIMEDOUT" && code !== "ENOBUFS" && code !== "EPIPE") {
    throw startError(error);
  }
  // Deno returns nothing at all if the program has not read all of its input.
  if (status === undefined && signal === undefined) {
    throw new SystemCallError("write", E.EPIPE, {
      cause: new Error("the runtime has lost the result of a program that left its input unread"),
    });
  }
  const [stdout, stderr] = [bytesOf(result.stdout), bytesOf(result.stderr)];
  // A runtime may have cut off what was too much.
  const cut = stdout.length >= maxBuffer ? "stdout" : "stderr";
  return {
    pid: result.pid,
    exit: { raw: rawOf(status, signal), usage: UNKNOWN_USAGE },
    stdout: stdout.subarray(0, maxBuffer),
    stderr: stderr.subarray(0, maxBuffer),
    timedOut: code === "ETIMEDOUT",
    overflowed: beyond(maxBuffer, { stdout, stderr }) ?? (code === "ENOBUFS" ? cut : undefined),
  };
}

function optionsOf(request: SpawnRequest | SyncRequest): SpawnOptions {
  const { argv, env, cwd, uid, gid, detached, stdio } = own(request);
  // Everything is set, also what is not chosen: a runtime that copies the options would else find
  // what somebody has set on Object.prototype.
  return own<SpawnOptions>({
    argv0: argv[0] ?? "",
    stdio: stdio.map(stdioOf),
    env: env === undefined ? undefined : own(env),
    cwd,
    uid,
    gid,
    detached: detached === true,
    shell: false,
    signal: undefined,
    timeout: undefined,
    killSignal: undefined,
    serialization: undefined,
    windowsHide: false,
    windowsVerbatimArguments: undefined,
  } as SpawnOptions);
}

function stdioOf(each: Stdio): "ignore" | "pipe" | number {
  return each === "null" ? "ignore" : each === "channel" ? "pipe" : each;
}

/** The status as wait(2) has it. */
function rawOf(code: number | null, signal: string | null): number {
  return signal === null && typeof code === "number" ? code << 8 : rawOfSignal(signal);
}

function bytesOf(output: unknown): Uint8Array {
  // Not a Buffer, which shows in comparisons, and not a part of its pool.
  return output instanceof Uint8Array ? new Uint8Array(output) : new Uint8Array(0);
}

/** Permission errors have no errno and stay what they are. */
function startError(error: unknown): unknown {
  const errno = errnoOf(error);
  if (errno === undefined) return error;
  return new StartError(errno, (error as Error).message, { cause: error });
}
