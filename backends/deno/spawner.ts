/**
 * Starting programs with `Deno.Command`; what it has no word for (descriptors by their numbers,
 * another argv[0], synchronous runs with input or a time limit) through Deno's `node:child_process`.
 *
 * @module
 */

import { UNKNOWN_USAGE } from "../../core/result/result.ts";
import { KillError, UnsupportedError } from "../../core/errors.ts";
import { signalName } from "../../core/tables/signals.ts";
import { isBefore } from "../version.ts";
import { own, shielded } from "../../core/own.ts";
import { childProcessSpawner } from "../spawner/child_process.ts";
import {
  errnoOf,
  killError,
  rawOfSignal,
  REAL_TIME,
  type Spawned,
  type Spawner,
  type SpawnRequest,
  StartError,
  type Stdio,
  type SyncRequest,
  type SyncSpawned,
} from "../spawner/spawner.ts";
import { streamSink, streamSource } from "../spawner/web_streams.ts";
import { E } from "../../core/tables/kernel.ts";

/** The spawner. */
export function denoSpawner(): Spawner {
  const other = childProcessSpawner(sendByShell);
  return {
    // A synchronous run in Deno before 2.8 goes on after its time limit.
    accepts: (option) => option !== "timeout" || !isBefore(Deno.version.deno, [2, 8, 0]),
    // deno-lint-ignore require-await -- a refusal must reject, not throw
    async spawn(request) {
      if (isPlain(request)) return start(request);
      requireIds(request);
      return other.spawn(request);
    },
    spawnSync(request) {
      if (isPlain(request) && request.input === undefined && request.timeout === undefined) {
        return startSync(request);
      }
      requireIds(request);
      if (request.input !== undefined && isBefore(Deno.version.deno, [2, 2, 0])) {
        throw new UnsupportedError({
          feature: "runSync with input",
          driver: "portable",
          reason: `Deno ${Deno.version.deno} does not pass the input on`,
          remedy: "use run(), or Deno 2.2 or newer",
        });
      }
      if ((request.input?.length ?? 0) > PIPE) {
        throw new UnsupportedError({
          feature: "runSync with input",
          driver: "portable",
          reason: "Deno's own writes all of the input before it reads any output",
          remedy: `use run(), no more than ${PIPE} bytes, or grant --allow-ffi`,
        });
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

/** Deno's node:child_process ignores uid and gid before 2.8: the program would run as root. */
function requireIds({ uid, gid }: SpawnRequest | SyncRequest): void {
  if (uid === undefined && gid === undefined) return;
  if (!isBefore(Deno.version.deno, [2, 8, 0])) return;
  throw new UnsupportedError({
    feature: "uid",
    driver: "portable",
    reason:
      `Deno ${Deno.version.deno} sets no user where it is given argv[0], input or descriptors`,
    remedy: "name the program by its path, or use Deno 2.8 or newer",
  });
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
  const { path, argv, env, cwd, uid, gid, stdio } = own(request);
  const [stdin = "null", stdout = "null", stderr = "null"] = stdio.map(wordFor);
  // Nothing of it is inherited: see core/own.ts.
  const options = own({
    args: argv.slice(1),
    stdin,
    stdout,
    stderr,
    ...(env === undefined ? {} : { env: own(env), clearEnv: true }),
    ...(cwd === undefined ? {} : { cwd }),
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
  });
  return new Deno.Command(nameFor(request) ?? path, options);
}

function startSync(request: SyncRequest): SyncSpawned {
  const [, stdout, stderr] = request.stdio;
  // Deno does not tell the pid.
  const outcome = { pid: 0, timedOut: false, overflowed: undefined };
  try {
    const output = refusing(() => shielded(() => commandOf(request).outputSync()));
    return {
      ...outcome,
      exit: { raw: rawOf(output), usage: UNKNOWN_USAGE },
      stdout: stdout === "pipe" ? output.stdout : NOTHING,
      stderr: stderr === "pipe" ? output.stderr : NOTHING,
    };
  } catch (error) {
    const exit = { raw: rawOfError(error), usage: UNKNOWN_USAGE };
    const lost = stdout === "pipe" || stderr === "pipe";
    return { ...outcome, exit, stdout: NOTHING, stderr: NOTHING, lost };
  }
}

const NOTHING = new Uint8Array(0);

/** The status as wait(2) has it. */
function rawOf({ code, signal }: { code: number; signal: string | null }): number {
  return signal === null ? code << 8 : rawOfSignal(signal);
}

/**
 * The same from what Deno throws instead of a status that has a signal without a name: its number
 * is all that is left. Any other error is thrown again.
 */
function rawOfError(error: unknown): number {
  const number = error instanceof TypeError
    ? /^Invalid signal: (\d+)$/.exec(error.message)?.[1]
    : undefined;
  if (number === undefined) throw error;
  return rawOfSignal(Number(number));
}

/**
 * Sends a real-time signal, which `Deno.kill` refuses (EINVAL), by the kill that is built into
 * every shell. The event loop stands still meanwhile, so that the process is not reaped.
 */
function sendByShell(pid: number, signal: number): boolean {
  // Asked first, because Deno would ask the user otherwise.
  if (Deno.permissions.querySync({ name: "run", command: SHELL }).state !== "granted") {
    throw new UnsupportedError({
      feature: "kill",
      driver: "portable",
      reason: `Deno has no names for real-time signals, and this process may not run ${SHELL}`,
      remedy: "use another signal, or grant --allow-ffi",
    });
  }
  return new Deno.Command(SHELL, {
    args: ["-c", `kill -${signal} ${pid}`],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).outputSync().code === 0;
}

const SHELL = "/bin/sh";

/** Whether `kill(0)`, which sends nothing, finds out that a child has ended. */
function takesNumbers(): boolean {
  return !isBefore(Deno.version.deno, [2, 8, 0]);
}

// deno-lint-ignore require-await -- a refusal must reject, not throw
async function start(request: SpawnRequest): Promise<Spawned> {
  const [stdin, stdout, stderr] = request.stdio.map(wordFor);
  const child = refusing(() => shielded(() => commandOf(request).spawn()));
  let over = false;
  const exited = child.status.then(rawOf, rawOfError).then((raw) => {
    over = true;
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
        if (signal > 0 && signal < REAL_TIME) {
          // By name: Deno takes numbers only since 2.8.
          child.kill(signalName(signal) as Deno.Signal);
          return true;
        }
        if (takesNumbers()) child.kill(0);
        return (takesNumbers() && signal === 0) || sendByShell(child.pid, signal);
      } catch (error) {
        // It has ended, and Deno knows, but has not told yet.
        if (error instanceof TypeError || error instanceof Deno.errors.NotFound) return false;
        // What the system refuses; Deno's own refusals are of another class. It has no errno.
        if (error instanceof Deno.errors.PermissionDenied) {
          throw new KillError({ pid: child.pid, signal, errno: E.EPERM, cause: error });
        }
        throw killError(child.pid, signal, error);
      }
    },
    ref: () => void child.ref(),
    unref: () => void child.unref(),
  };
}

/** What a pipe takes before anybody reads from it, in bytes; see pipe(7). */
const PIPE = 65_536;

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
