/**
 * Starting programs with `Bun.spawn`.
 *
 * @module
 */

import { process } from "../process.ts";
import { UNKNOWN_USAGE } from "../../core/result/result.ts";
import type { Exit, Sink } from "../../core/backend.ts";
import { boundOf } from "../posix/resident.ts";
import { brokenPipe } from "../spawner/broken_pipe.ts";
import { UnsupportedError } from "../../core/errors.ts";
import { own, shielded } from "../../core/own.ts";
import {
  beyond,
  type Channel,
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
} from "../spawner/spawner.ts";
import { streamSource } from "../spawner/web_streams.ts";
import {
  bun,
  type BunFileSink,
  type BunOutcome,
  type BunRequest,
  type BunUsage,
} from "./runtime.ts";

/** The spawner. */
export function bunSpawner(): Spawner {
  return { spawn: start, spawnSync: startSync, accepts };
}

const accepted = new Map<string, boolean>();

/**
 * Bun ignores options that it does not know: `uid` before 1.4, for example, which would run a
 * program as root. One that it knows is checked before the program, which is a folder.
 */
function accepts(option: "uid" | "timeout"): boolean {
  let known = accepted.get(option);
  if (known === undefined) {
    known = false;
    try {
      bun.spawnSync(own({ cmd: ["/"], env: {}, [option]: "none" }) as unknown as BunRequest);
    } catch (error) {
      known = error instanceof TypeError;
    }
    accepted.set(option, known);
  }
  return known;
}

// deno-lint-ignore require-await -- a refusal must reject, not throw
async function start(request: SpawnRequest): Promise<Spawned> {
  const child = refusing(() => shielded(() => bun.spawn(requestOf(request))));
  const at = request.stdio.indexOf("channel");
  const fd = at < 0 ? undefined : child.stdio[at];
  let over = false;
  const exited = child.exited.then((): Exit => {
    over = true;
    return { raw: rawOf(child), usage: usageOf(child.resourceUsage()) };
  });
  const { stdio } = request;
  return {
    pid: child.pid,
    stdin: stdio[0] === "pipe" && child.stdin ? fileSink(child.stdin, exited) : undefined,
    stdout: stdio[1] === "pipe" && child.stdout ? streamSource(child.stdout, RENEWED) : undefined,
    stderr: stdio[2] === "pipe" && child.stderr ? streamSource(child.stderr, RENEWED) : undefined,
    channel: typeof fd === "number" ? socketChannel(fd) : undefined,
    exited,
    kill(signal) {
      if (over || child.exitCode !== null || child.signalCode !== null) return false;
      if (signal >= REAL_TIME) return sendByNumber(child.pid, signal);
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

const RENEWED = { renews: true };

function startSync(request: SyncRequest): SyncSpawned {
  const { input, timeout, killSignal, stdio } = request;
  const maxBuffer = Math.floor(request.maxBuffer);
  const outcome = refusing(() =>
    bun.spawnSync(own({
      ...requestOf(request),
      stdio: stdio.map((each, i) => i === 0 && each === "pipe" ? input ?? NOTHING : stdioOf(each)),
      killSignal,
      ...(timeout === undefined ? {} : { timeout: Math.max(1, Math.ceil(timeout)) }),
      // Bun takes 0 for no limit.
      ...(maxBuffer === Infinity ? {} : { maxBuffer: Math.max(1, maxBuffer) }),
    }))
  );
  const [stdout, stderr] = [bytesOf(outcome.stdout), bytesOf(outcome.stderr)];
  return {
    pid: outcome.pid,
    exit: { raw: rawOf(outcome), usage: usageOf(outcome.resourceUsage) },
    stdout: bounded(stdout, maxBuffer),
    stderr: bounded(stderr, maxBuffer),
    timedOut: outcome.exitedDueToTimeout === true,
    overflowed: beyond(maxBuffer, { stdout, stderr }) ??
      (outcome.exitedDueToMaxBuffer === true ? "stderr" : undefined),
  };
}

const NOTHING = new Uint8Array(0);

/** An output that went elsewhere is not there, or is the number of a descriptor. */
function bytesOf(output: unknown): Uint8Array {
  return output instanceof Uint8Array ? new Uint8Array(output) : NOTHING;
}

function requestOf(request: SpawnRequest) {
  const { path, argv, env, cwd, uid, gid, detached, stdio } = own(request);
  if (stdio.indexOf(0, 1) > 2) {
    throw new UnsupportedError({
      feature: "passFd",
      driver: "launcher",
      reason: "Bun hands its own standard input on as standard input only",
      remedy: "pass another descriptor, or use the native driver",
    });
  }
  const [argv0 = "", ...args] = argv;
  // Nothing of it is inherited: see core/own.ts.
  return own({
    cmd: [path, ...args],
    // Bun 1.2.0 looks up argv0 instead of the program.
    ...(argv0 === path ? {} : { argv0 }),
    stdio: stdio.map(stdioOf),
    // Bun would hand on the variables that it was itself started with.
    env: own(env ?? { ...process.env } as Record<string, string>),
    ...(cwd === undefined ? {} : { cwd }),
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
    ...(detached === true ? { detached } : {}),
  });
}

function stdioOf(each: Stdio): "ignore" | "pipe" | number {
  return each === "null" ? "ignore" : each === "channel" ? "pipe" : each;
}

function bounded(bytes: Uint8Array, limit: number): Uint8Array {
  return bytes.length > limit ? bytes.slice(0, limit) : bytes;
}

/** The status as wait(2) has it. */
function rawOf(
  { exitCode, signalCode }: Pick<BunOutcome, "exitCode" | "signalCode">,
): number {
  return typeof exitCode === "number" && (signalCode === null || signalCode === undefined)
    ? exitCode << 8
    : rawOfSignal(signalCode);
}

/** The largest resident size of this process so far, in bytes; Bun 1.2.0 does not know it. */
function largestSize(): number {
  const { resourceUsage } = process as Partial<Pick<typeof process, "resourceUsage">>;
  return resourceUsage === undefined ? Infinity : resourceUsage().maxRSS * 1024;
}

function usageOf(usage: BunUsage | undefined): Exit["usage"] {
  if (usage === undefined) return UNKNOWN_USAGE;
  const { cpuTime, maxRSS } = usage;
  // Bun starts programs without copying its memory. Its own size is in KiB.
  const bound = boundOf(largestSize());
  return {
    userMs: Number(cpuTime.user) / 1000,
    systemMs: Number(cpuTime.system) / 1000,
    maxRssBytes: maxRSS > bound ? maxRSS : NaN,
  };
}

function refusing<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    throw new StartError(errno, (error as Error).message, { cause: error });
  }
}

/** A sink over what Bun gives for a piped stdin. */
function fileSink(writer: BunFileSink, exited: Promise<unknown>): Sink {
  let closed = false;
  let interrupt: (() => void) | undefined;
  // Bun does not always tell a writer that its reader is gone.
  exited.then(() => {
    if (!closed) void finish();
  });
  const finish = () => {
    closed = true;
    interrupt?.();
    return Promise.resolve(writer.end()).then(() => {}, () => {});
  };
  return {
    write: (bytes) =>
      new Promise((resolve, reject) => {
        if (closed) return reject(brokenPipe());
        interrupt = () => reject(brokenPipe());
        Promise.all([writer.write(bytes), writer.flush()]).then(() => resolve(), reject);
      }),
    async end() {
      if (!closed) await finish();
    },
    close() {
      if (!closed) void finish();
    },
    ref: () => void writer.ref(),
    unref: () => void writer.unref(),
  };
}

/** A channel over a socket that Bun has left to us as a number. */
function socketChannel(fd: number): Channel {
  const waiting: Uint8Array[] = [];
  let received: (bytes: Uint8Array) => void = () => {};
  let ended = () => {};
  let socket:
    | { write(bytes: Uint8Array): number; terminate(): void; ref(): void; unref(): void }
    | undefined;
  let over = false;
  let isRef = true;
  const send = () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const taken = Math.max(0, socket?.write(next) ?? 0);
      if (taken < next.length) return void waiting.unshift(next.subarray(taken));
    }
  };
  const finish = () => {
    if (over) return;
    over = true;
    ended();
  };
  const open = bun.connect({
    fd,
    socket: {
      open(opened) {
        socket = opened;
        if (over) return socket.terminate();
        if (!isRef) socket.unref();
        send();
      },
      drain: send,
      data: (_, bytes) => received(bytes),
      close: finish,
      error: finish,
    },
  });
  open.catch(finish);
  return {
    write(bytes) {
      if (over) return;
      waiting.push(bytes);
      if (socket !== undefined && waiting.length === 1) send();
    },
    listen(onBytes, onEnd) {
      received = (bytes) => onBytes(bytes);
      ended = onEnd;
      if (over) onEnd();
    },
    close() {
      over = true;
      socket?.terminate();
    },
    ref() {
      isRef = true;
      socket?.ref();
    },
    unref() {
      isRef = false;
      socket?.unref();
    },
  };
}
