/**
 * Starting programs with `node:child_process`.
 *
 * @module
 */

import { isBytes } from "../../core/bytes.ts";
import {
  type ChildProcess,
  spawn,
  type SpawnOptions,
  spawnSync,
  type SpawnSyncOptions,
} from "node:child_process";
import { UNKNOWN_USAGE } from "../../core/result/result.ts";
import type { Exit } from "../../core/backend.ts";
import { own, shielded } from "../../core/own.ts";
import { duplexChannel, readableSource, writableSink } from "./node_streams.ts";
import {
  FIRST_REAL_TIME,
  killError,
  overflowOf,
  rawStatus,
  sendByNumber,
  type Spawned,
  type Spawner,
  type SpawnRequest,
  startErrorOf,
  stdioOption,
  type SyncRequest,
  type SyncSpawned,
} from "./spawner.ts";
import { codeOf } from "../../core/error_code.ts";

/** Sends a signal by its number to a process that was not reaped yet; false if it has ended. */
type Send = (pid: number, signal: number) => boolean;

/** Returns the spawner. `send` sends the signals that `kill` of a child process refuses. */
export function childProcessSpawner(send: Send = sendByNumber): Spawner {
  return { spawn: (request) => start(request, send), spawnSync: startSync };
}

async function start(request: SpawnRequest, send: Send): Promise<Spawned> {
  let child: ChildProcess;
  try {
    const options = optionsOf(request);
    child = shielded(() => spawn(request.path, request.argv.slice(1), options));
  } catch (error) {
    throw startErrorOf(error);
  }
  const { pid } = child;
  if (pid === undefined) {
    throw startErrorOf(await new Promise<Error>((resolve) => child.once("error", resolve)));
  }
  // The error of kill(2) arrives as an event, before `child.kill` returns.
  let refusal: Error | undefined;
  child.on("error", (error) => refusal = error);
  let over = false;
  const exited = new Promise<Exit>((resolve) =>
    child.once("exit", (code, signal) => {
      over = true;
      resolve({ raw: rawStatus(code, signal), usage: UNKNOWN_USAGE });
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
    // `signalCode` would not do: Deno sets it as soon as a signal was sent.
    kill(signal) {
      if (over) return false;
      if (signal >= FIRST_REAL_TIME) return send(pid, signal);
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
    // Node takes 0 for no limit. Half a byte is less than any output.
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
    throw startErrorOf(error);
  }
  const [stdout, stderr] = [bytesOf(result.stdout), bytesOf(result.stderr)];
  // The runtime may have cut off the output at the limit.
  const cut = stdout.length >= maxBuffer ? "stdout" : "stderr";
  return {
    pid: result.pid,
    exit: { raw: rawStatus(status, signal), usage: UNKNOWN_USAGE },
    stdout: stdout.subarray(0, maxBuffer),
    stderr: stderr.subarray(0, maxBuffer),
    timedOut: code === "ETIMEDOUT",
    overflowed: overflowOf(maxBuffer, { stdout, stderr }) ?? (code === "ENOBUFS" ? cut : undefined),
  };
}

function optionsOf(request: SpawnRequest | SyncRequest): SpawnOptions {
  const { argv, env, cwd, uid, gid, detached, stdio } = own(request);
  // All options are set: for a missing one, a runtime that copies them would find what somebody has
  // set on Object.prototype.
  return own<SpawnOptions>({
    argv0: argv[0] ?? "",
    stdio: stdio.map(stdioOption),
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

function bytesOf(output: unknown): Uint8Array {
  // Not a Buffer: it compares as different from a Uint8Array, and may share memory of a pool.
  return isBytes(output) ? new Uint8Array(output) : new Uint8Array(0);
}
