/**
 * Starting programs with `Bun.spawn`.
 *
 * @module
 */

import { isBytes } from "../../core/bytes.ts";
import { process } from "../process.ts";
import { UNKNOWN_USAGE } from "../../core/result/result.ts";
import type { Exit, Sink } from "../../core/backend.ts";
import { boundOf } from "../posix/resident.ts";
import { UnsupportedError } from "../../core/errors.ts";
import { defined, own, shielded } from "../../core/own.ts";
import {
  FIRST_REAL_TIME,
  killError,
  overflowOf,
  rawStatus,
  sendByNumber,
  type Spawned,
  type Spawner,
  type SpawnRequest,
  stdioOption,
  type SyncRequest,
  type SyncSpawned,
  throwingStartErrors,
} from "../spawner/spawner.ts";
import { streamSource } from "../spawner/web_streams.ts";
import { isBefore } from "../version.ts";
import { bun, type BunFileSink, type BunRequest, type BunUsage } from "./runtime.ts";
import { socketChannel } from "./socket_channel.ts";
import { fileWrites } from "./writer.ts";

/** Returns the spawner. */
export function bunSpawner(): Spawner {
  return { spawn: start, spawnSync: startSync, accepts };
}

/** The options that were tried, and whether Bun has them. */
const triedOptions = new Map<string, boolean>();

/**
 * Reports whether Bun has an option. It ignores those that it does not have: `uid` before 1.4, for
 * example, so that the program would run as root. Here it gets a wrong value, which it checks
 * before the program, a folder.
 */
function accepts(option: "uid" | "timeout" | "maxBuffer"): boolean {
  // Its type is not checked. Bun 1.2.0 ignores it, and 1.2.18 does not.
  if (option === "maxBuffer") return !isBefore(bun.version, [1, 2, 18]);
  const tried = triedOptions.get(option);
  if (tried !== undefined) return tried;
  let isAccepted = false;
  try {
    bun.spawnSync(own({ cmd: ["/"], env: {}, [option]: "none" }) as unknown as BunRequest);
  } catch (error) {
    isAccepted = error instanceof TypeError;
  }
  triedOptions.set(option, isAccepted);
  return isAccepted;
}

// deno-lint-ignore require-await -- an error must reject, not throw
async function start(request: SpawnRequest): Promise<Spawned> {
  const child = throwingStartErrors(() => shielded(() => bun.spawn(requestOf(request))));
  const at = request.stdio.indexOf("channel");
  const fd = at < 0 ? undefined : child.stdio[at];
  let over = false;
  const exited = child.exited.then((): Exit => {
    over = true;
    return {
      raw: rawStatus(child.exitCode, child.signalCode),
      usage: usageOf(child.resourceUsage()),
    };
  });
  const { stdio } = request;
  return {
    pid: child.pid,
    stdin: stdio[0] === "pipe" && child.stdin ? stdinSink(child.stdin, exited) : undefined,
    stdout: stdio[1] === "pipe" && child.stdout
      ? streamSource(child.stdout, BUN_STREAM)
      : undefined,
    stderr: stdio[2] === "pipe" && child.stderr
      ? streamSource(child.stderr, BUN_STREAM)
      : undefined,
    channel: typeof fd === "number" ? socketChannel(fd) : undefined,
    exited,
    kill(signal) {
      if (over || child.exitCode !== null || child.signalCode !== null) return false;
      if (signal >= FIRST_REAL_TIME) return sendByNumber(child.pid, signal);
      try {
        child.kill(signal);
      } catch (error) {
        throw killError(child.pid, signal, error);
      }
      return true;
    },
    ref: () => void child.ref(),
    unref: () => void child.unref(),
  };
}

const BUN_STREAM = { restartsReads: true };

function startSync(request: SyncRequest): SyncSpawned {
  const { input, timeout, killSignal, stdio } = request;
  const maxBuffer = Math.floor(request.maxBuffer);
  const outcome = throwingStartErrors(() =>
    bun.spawnSync(own({
      ...requestOf(request),
      stdio: stdio.map((each, i) =>
        i === 0 && each === "pipe" ? input ?? NO_BYTES : stdioOption(each)
      ),
      killSignal,
      ...defined({
        timeout: timeout === undefined ? undefined : Math.max(1, Math.ceil(timeout)),
        // Bun takes 0 for no limit.
        maxBuffer: maxBuffer === Infinity ? undefined : Math.max(1, maxBuffer),
      }),
    }))
  );
  const [stdout, stderr] = [bytesOf(outcome.stdout), bytesOf(outcome.stderr)];
  return {
    pid: outcome.pid,
    exit: {
      raw: rawStatus(outcome.exitCode, outcome.signalCode),
      usage: usageOf(outcome.resourceUsage),
    },
    stdout: bounded(stdout, maxBuffer),
    stderr: bounded(stderr, maxBuffer),
    timedOut: outcome.exitedDueToTimeout === true,
    overflowed: overflowOf(maxBuffer, { stdout, stderr }) ??
      (outcome.exitedDueToMaxBuffer === true ? "stderr" : undefined),
  };
}

const NO_BYTES = new Uint8Array(0);

/** An output that is not a pipe is undefined, or the number of a descriptor. */
function bytesOf(output: unknown): Uint8Array {
  return isBytes(output) ? new Uint8Array(output) : NO_BYTES;
}

function requestOf(request: SpawnRequest) {
  const { path, argv, env, cwd, uid, gid, detached, stdio } = own(request);
  if (stdio.indexOf(0, 1) > 2) {
    throw new UnsupportedError({
      feature: "passFd",
      driver: "launcher",
      reason: "Bun passes its own standard input only as standard input",
      remedy: "pass another descriptor, or use the native driver",
    });
  }
  const [argv0 = "", ...args] = argv;
  // Bun would read inherited properties, see core/own.ts.
  return own({
    cmd: [path, ...args],
    stdio: stdio.map(stdioOption),
    // Bun would pass the variables that it was itself started with.
    env: own(env ?? { ...process.env } as Record<string, string>),
    ...defined({
      // Bun 1.2.0 looks up argv0 instead of the program.
      argv0: argv0 === path ? undefined : argv0,
      cwd,
      uid,
      gid,
      detached: detached === true ? detached : undefined,
    }),
  });
}

/** The first bytes of an output, as many as the limit allows. */
function bounded(bytes: Uint8Array, limit: number): Uint8Array {
  return bytes.length > limit ? bytes.slice(0, limit) : bytes;
}

/** The largest resident size of this process so far, in bytes. Bun 1.2.0 does not report it. */
function largestSize(): number {
  const { resourceUsage } = process as Partial<Pick<typeof process, "resourceUsage">>;
  return resourceUsage === undefined ? Infinity : resourceUsage().maxRSS * 1024;
}

function usageOf(usage: BunUsage | undefined): Exit["usage"] {
  if (usage === undefined) return UNKNOWN_USAGE;
  const { cpuTime, maxRSS } = usage;
  // Bun starts programs without copying its memory, see boundOf.
  const bound = boundOf(largestSize());
  return {
    userMs: Number(cpuTime.user) / 1000,
    systemMs: Number(cpuTime.system) / 1000,
    maxRssBytes: maxRSS > bound ? maxRSS : NaN,
  };
}

/** Returns a sink over what Bun makes of a piped standard input. */
function stdinSink(writer: BunFileSink, exited: Promise<unknown>): Sink {
  const writes = fileWrites(writer);
  const finish = async () => {
    if (!writes.close()) return;
    writes.interrupt();
    try {
      await writer.end();
    } catch {
      // The write that meets an error reports it.
    }
  };
  // Bun does not always report to a writer that its reader has closed the pipe.
  exited.then(finish);
  return {
    write: writes.write,
    end: finish,
    close: () => void finish(),
    ref: () => void writer.ref(),
    unref: () => void writer.unref(),
  };
}
