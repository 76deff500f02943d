/**
 * Starting programs with `Deno.Command`. What that has no option for (descriptors by their numbers,
 * a different argv[0]) goes through Deno's `node:child_process`.
 *
 * @module
 */

import { UNKNOWN_USAGE } from "../../core/result/result.ts";
import { KillError, UnsupportedError } from "../../core/errors.ts";
import { signalName } from "../../core/tables/signals.ts";
import { isBefore } from "../version.ts";
import { defined, own, shielded } from "../../core/own.ts";
import { childProcessSpawner } from "../spawner/child_process.ts";
import {
  FIRST_REAL_TIME,
  killError,
  rawStatus,
  type Spawned,
  type Spawner,
  type SpawnRequest,
  type Stdio,
  type SyncRequest,
  type SyncSpawned,
  throwingStartErrors,
} from "../spawner/spawner.ts";
import { streamSink, streamSource } from "../spawner/web_streams.ts";
import { E } from "../../core/tables/kernel.ts";
import { rawOfError } from "./status.ts";
import { runInWorker } from "./sync_worker.ts";

/** The first release whose `node:child_process` sets users. */
const CHILD_PROCESS_SINCE = [2, 8, 0] as const;

/** Returns the spawner. */
export function denoSpawner(): Spawner {
  const childProcess = childProcessSpawner(sendByShell);
  return {
    // deno-lint-ignore require-await -- an error must reject, not throw
    async spawn(request) {
      if (isForDenoCommand(request)) return start(request);
      requireUserSupport(request);
      return childProcess.spawn(request);
    },
    spawnSync(request) {
      if (!request.stdio.every((each) => typeof each === "string")) {
        throw new UnsupportedError({
          feature: "runSync",
          driver: "portable",
          reason: "Deno's spawnSync takes no descriptors",
          remedy: "use run(), or grant --allow-ffi",
        });
      }
      const forDenoCommand = isForDenoCommand(request);
      if (!forDenoCommand) requireUserSupport(request);
      const unattended = request.input === undefined && request.timeout === undefined;
      if (unattended && forDenoCommand) return startSync(request);
      // Deno's spawnSync adds the variables of this process to the given ones.
      if (unattended && request.env === undefined) return childProcess.spawnSync(request);
      return throwingStartErrors(() => runInWorker(request, denoCommandName(request)));
    },
  };
}

/** Whether `Deno.Command` can start a program. */
function isForDenoCommand(
  { path, argv, cwd, stdio }: Pick<SpawnRequest, "path" | "argv" | "cwd" | "stdio">,
): boolean {
  return denoCommandName({ path, argv, cwd }) !== undefined && stdio.length === 3 &&
    stdio.every((each) => typeof each === "string");
}

/**
 * Throws an UnsupportedError where `node:child_process` ignores uid and gid: the program would run
 * as root.
 */
function requireUserSupport({ uid, gid }: SpawnRequest | SyncRequest): void {
  if (uid === undefined && gid === undefined) return;
  if (!isBefore(Deno.version.deno, CHILD_PROCESS_SINCE)) return;
  throw new UnsupportedError({
    feature: "uid",
    driver: "portable",
    reason:
      `Deno ${Deno.version.deno} sets no user where it is given argv[0], input or descriptors`,
    remedy: "name the program by its path, or use Deno 2.8 or newer",
  });
}

/**
 * Returns the command for which Deno starts the program with the right argv[0]: `Deno.Command`
 * passes its command as argv[0], and looks up a bare name in the same folders in the same order.
 * Undefined if there is none.
 */
function denoCommandName(
  { path, argv, cwd }: Pick<SpawnRequest, "path" | "argv" | "cwd">,
): string | undefined {
  const [name = ""] = argv;
  if (name === path) return path;
  // Relative entries of PATH are relative to the folder of this process, not to that of the child.
  if (cwd !== undefined) return undefined;
  return !name.includes("/") && path.endsWith(`/${name}`) ? name : undefined;
}

function commandOf(request: SpawnRequest | SyncRequest): Deno.Command {
  const { path, argv, env, cwd, uid, gid, stdio } = own(request);
  const [stdin = "null", stdout = "null", stderr = "null"] = stdio.map(denoStdio);
  // Deno would read inherited properties, see core/own.ts.
  const options = own({
    args: argv.slice(1),
    stdin,
    stdout,
    stderr,
    ...defined({
      env: env === undefined ? undefined : own(env),
      clearEnv: env === undefined ? undefined : true,
      cwd,
      uid,
      gid,
    }),
  });
  return new Deno.Command(denoCommandName(request) ?? path, options);
}

function startSync(request: SyncRequest): SyncSpawned {
  const [, stdout, stderr] = request.stdio;
  // Deno does not report the pid.
  const outcome = { pid: 0, timedOut: false, overflowed: undefined };
  try {
    const output = throwingStartErrors(() => shielded(() => commandOf(request).outputSync()));
    return {
      ...outcome,
      exit: { raw: rawStatus(output.code, output.signal), usage: UNKNOWN_USAGE },
      stdout: stdout === "pipe" ? output.stdout : NO_BYTES,
      stderr: stderr === "pipe" ? output.stderr : NO_BYTES,
    };
  } catch (error) {
    const exit = { raw: rawOfError(error), usage: UNKNOWN_USAGE };
    const lost = stdout === "pipe" || stderr === "pipe";
    return { ...outcome, exit, stdout: NO_BYTES, stderr: NO_BYTES, lost };
  }
}

const NO_BYTES = new Uint8Array(0);

/**
 * Sends a real-time signal, which `Deno.kill` refuses (EINVAL), with the `kill` that every shell
 * has. The event loop waits meanwhile, so the process is not reaped.
 */
function sendByShell(pid: number, signal: number): boolean {
  // Queried first, since Deno would prompt the user otherwise.
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

/** The first release in which `kill` takes numbers. */
const SIGNAL_NUMBERS_SINCE = [2, 8, 0] as const;

// deno-lint-ignore require-await -- an error must reject, not throw
async function start(request: SpawnRequest): Promise<Spawned> {
  const [stdin, stdout, stderr] = request.stdio.map(denoStdio);
  const child = throwingStartErrors(() => shielded(() => commandOf(request).spawn()));
  let over = false;
  const exited = child.status.then(({ code, signal }) => rawStatus(code, signal), rawOfError).then(
    (raw) => {
      over = true;
      return { raw, usage: UNKNOWN_USAGE };
    },
  );
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
        if (signal > 0 && signal < FIRST_REAL_TIME) {
          child.kill(signalName(signal) as Deno.Signal);
          return true;
        }
        if (isBefore(Deno.version.deno, SIGNAL_NUMBERS_SINCE)) {
          return sendByShell(child.pid, signal);
        }
        // 0 sends nothing. It throws if Deno knows that the child has ended.
        child.kill(0);
        return signal === 0 || sendByShell(child.pid, signal);
      } catch (error) {
        // Deno knows that it has ended, but has not resolved its status yet.
        if (error instanceof TypeError || error instanceof Deno.errors.NotFound) return false;
        // The system has refused; Deno has another class for its own refusals. There is no errno.
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

function denoStdio(stdio: Stdio): "null" | "piped" {
  return stdio === "pipe" ? "piped" : "null";
}
