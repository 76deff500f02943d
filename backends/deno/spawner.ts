/**
 * Starting programs with `Deno.Command`; what it has no word for (descriptors by their numbers,
 * another argv[0], synchronous runs with input or a time limit) through Deno's `node:child_process`.
 *
 * @module
 */

import { UnsupportedError } from "../../core/errors.ts";
import { signalNumber } from "../../core/signals.ts";
import { childProcessSpawner } from "../spawner/child_process.ts";
import {
  errnoOf,
  type Spawned,
  type Spawner,
  type SpawnRequest,
  StartError,
  type Stdio,
  type SyncRequest,
  type SyncSpawned,
  UNKNOWN_USAGE,
} from "../spawner/spawner.ts";
import { streamSink, streamSource } from "../spawner/web_streams.ts";

/** The spawner. */
export function denoSpawner(): Spawner {
  const other = childProcessSpawner();
  return {
    spawn: (request) => isPlain(request) ? start(request) : other.spawn(request),
    spawnSync(request) {
      if (isPlain(request) && request.input === undefined && request.timeout === undefined) {
        return startSync(request);
      }
      // Deno's spawnSync adds its own variables to those that are chosen, and takes no descriptors.
      if (request.env === undefined && request.stdio.every((each) => typeof each === "string")) {
        return other.spawnSync(request);
      }
      throw new UnsupportedError({
        feature: "runSync",
        driver: "portable",
        reason: "Deno's own takes no input, time limit or descriptors with a chosen environment",
        remedy: "use run(), or grant --allow-ffi",
      });
    },
  };
}

function isPlain(
  { path, argv, cwd, stdio }: Pick<SpawnRequest, "path" | "argv" | "cwd" | "stdio">,
): boolean {
  return nameFor({ path, argv, cwd }) !== undefined && stdio.length === 3 &&
    stdio.every((each) => typeof each === "string");
}

/**
 * What Deno is told to start so that argv[0] is right: it makes it the same. A bare name it looks
 * up in the same folders in the same order.
 */
function nameFor(
  { path, argv, cwd }: Pick<SpawnRequest, "path" | "argv" | "cwd">,
): string | undefined {
  const [name = ""] = argv;
  if (name === path) return path;
  // Relative entries of PATH count from our folder, and not from the child's.
  if (cwd !== undefined) return undefined;
  return !name.includes("/") && path.endsWith(`/${name}`) ? name : undefined;
}

function commandOf(request: SpawnRequest | SyncRequest): Deno.Command {
  const { path, argv, env, cwd, uid, gid, stdio } = request;
  const [stdin = "null", stdout = "null", stderr = "null"] = stdio.map(wordFor);
  return new Deno.Command(nameFor(request) ?? path, {
    args: argv.slice(1),
    stdin,
    stdout,
    stderr,
    ...(env === undefined ? {} : { env: { ...env }, clearEnv: true }),
    ...(cwd === undefined ? {} : { cwd }),
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
  });
}

function startSync(request: SyncRequest): SyncSpawned {
  const output = refusing(() => commandOf(request).outputSync());
  const [, stdout, stderr] = request.stdio;
  return {
    // Deno does not tell it.
    pid: 0,
    exit: { raw: rawOf(output), usage: UNKNOWN_USAGE },
    stdout: stdout === "pipe" ? output.stdout : new Uint8Array(0),
    stderr: stderr === "pipe" ? output.stderr : new Uint8Array(0),
    timedOut: false,
    overflowed: undefined,
  };
}

/** The status as wait(2) has it. */
function rawOf({ code, signal }: { code: number; signal: string | null }): number {
  return signal === null ? code << 8 : signalNumber(signal) ?? 0;
}

// deno-lint-ignore require-await -- a refusal must reject, not throw
async function start(request: SpawnRequest): Promise<Spawned> {
  const [stdin, stdout, stderr] = request.stdio.map(wordFor);
  const child = refusing(() => commandOf(request).spawn());
  let over = false;
  const exited = child.status.then((status) => {
    over = true;
    return { raw: rawOf(status), usage: UNKNOWN_USAGE };
  });
  return {
    pid: child.pid,
    stdin: stdin === "piped" ? streamSink(child.stdin) : undefined,
    stdout: stdout === "piped" ? streamSource(child.stdout) : undefined,
    stderr: stderr === "piped" ? streamSource(child.stderr) : undefined,
    channel: undefined,
    exited,
    kill(signal) {
      if (over) return false;
      try {
        child.kill(signal);
        return true;
      } catch (error) {
        // It has ended, and Deno knows, but has not told yet.
        if (error instanceof TypeError || error instanceof Deno.errors.NotFound) return false;
        throw error;
      }
    },
    hold(held) {
      if (held) child.ref();
      else child.unref();
    },
  };
}

function wordFor(each: Stdio): "null" | "piped" {
  return each === "pipe" ? "piped" : "null";
}

/** Permission errors have no errno and stay what they are. */
function refusing<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    throw new StartError(errno, (error as Error).message, { cause: error });
  }
}
