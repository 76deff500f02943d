/**
 * Starting programs with `Deno.Command`; what it has no word for (descriptors by their numbers,
 * another argv[0], synchronous runs with input or a time limit) through Deno's `node:child_process`.
 *
 * @module
 */

import { errnoNumber } from "../../core/errno.ts";
import { signalNumber } from "../../core/signals.ts";
import { childProcessSpawner } from "../spawner/child_process.ts";
import {
  type Spawned,
  type Spawner,
  type SpawnRequest,
  StartError,
  type Stdio,
  UNKNOWN_USAGE,
} from "../spawner/spawner.ts";
import { streamSink, streamSource } from "../spawner/web_streams.ts";

/** The spawner. */
export function denoSpawner(): Spawner {
  const other = childProcessSpawner();
  return {
    spawn: (request) => isPlain(request) ? start(request) : other.spawn(request),
    spawnSync: (request) => other.spawnSync(request),
  };
}

function isPlain({ path, argv, stdio }: SpawnRequest): boolean {
  return argv[0] === path && stdio.length === 3 && stdio.every((each) => typeof each === "string");
}

// deno-lint-ignore require-await -- a refusal must reject, not throw
async function start(request: SpawnRequest): Promise<Spawned> {
  const { path, argv, env, cwd, uid, gid, stdio } = request;
  const [stdin, stdout, stderr] = stdio.map(wordFor);
  const child = refusing(() =>
    new Deno.Command(path, {
      args: argv.slice(1),
      stdin: stdin ?? "null",
      stdout: stdout ?? "null",
      stderr: stderr ?? "null",
      ...(env === undefined ? {} : { env: { ...env }, clearEnv: true }),
      ...(cwd === undefined ? {} : { cwd }),
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
    }).spawn()
  );
  let over = false;
  const exited = child.status.then(({ code, signal }) => {
    over = true;
    const raw = signal === null ? code << 8 : signalNumber(signal) ?? 0;
    return { raw, usage: UNKNOWN_USAGE };
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

/** Deno's errors of the system carry their code; permission errors stay what they are. */
function refusing<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    const { code } = error as { code?: unknown };
    const errno = typeof code === "string" ? errnoNumber(code) : undefined;
    if (!(error instanceof Error) || errno === undefined) throw error;
    throw new StartError(errno, error.message, { cause: error });
  }
}
