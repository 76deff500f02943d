/**
 * A synchronous run on Deno that needs an event loop meanwhile: one with input or a time limit.
 * Deno's own writes all of the input before it reads any output, so that more than a pipe holds is
 * never read, and loses the result of a program that leaves some of it unread.
 *
 * So a worker runs the program, and this thread waits for it on shared memory. The worker's module
 * is a text, since a file or an address would need a permission to be loaded.
 *
 * @module
 */

import { type MessagePort as NodePort, receiveMessageOnPort } from "node:worker_threads";
import { UNKNOWN_USAGE } from "../../core/result/result.ts";
import { UnsupportedError } from "../../core/errors.ts";
import { signalName } from "../../core/tables/signals.ts";
import { rawStatus, type SyncRequest, type SyncSpawned } from "../spawner/spawner.ts";
import { requireFreeDescriptors } from "../posix/free_descriptors.ts";
import { rawOfError } from "./status.ts";

/** What the worker is asked to run. */
interface Job {
  readonly request: Omit<SyncRequest, "maxBuffer" | "killSignal">;
  /** By its name, since only newer releases take numbers. */
  readonly killSignal: Deno.Signal;
  /** What `Deno.Command` starts, so that argv[0] is right; undefined: node:child_process does. */
  readonly name: string | undefined;
  /** One of {@linkcode STAGE}, in memory that both threads see. */
  readonly stage: Int32Array<SharedArrayBuffer>;
  /** Where the answer goes. */
  readonly port: MessagePort;
}

/** What came of it. */
interface Answer {
  /** Undefined if nothing was started. */
  readonly pid: number | undefined;
  /** Undefined if Deno has thrown `error` instead. */
  readonly status: { readonly code: number; readonly signal: string | null } | undefined;
  /** As a message, an error would lose its class. */
  readonly error:
    | { readonly name: string; readonly message: string; readonly code: unknown }
    | undefined;
  readonly outputs: readonly [Uint8Array, Uint8Array];
  /** Whether there may have been more output. */
  readonly lost: boolean;
  readonly timedOut: boolean;
}

/** How far a job has come. */
const STAGE = { waiting: 0, begun: 1, done: 2, cancelled: 3 } as const;

/** How long a worker may take to begin, in milliseconds. */
const TO_BEGIN = 30_000;

/** As many descriptors as a worker and the pipes of one program take at most, and as many again. */
const OWN_DESCRIPTORS = 32;

/**
 * Runs a program to its end in a worker, while this thread stands still. `name` is what
 * `Deno.Command` is to start; without it, the program is started by node:child_process.
 */
export function runInWorker(request: SyncRequest, name: string | undefined): SyncSpawned {
  // Without them, Deno ends the process.
  requireFreeDescriptors(OWN_DESCRIPTORS);
  const stage = new Int32Array(new SharedArrayBuffer(4));
  const { port1, port2 } = new MessageChannel();
  // Bundlers that keep names call a function of that name.
  const module = `const __name = (made) => made; onmessage = ({ data }) => (${work})(data, ${
    JSON.stringify(STAGE)
  });`;
  const worker = new Worker(`data:application/javascript,${encodeURIComponent(module)}`, {
    type: "module",
  });
  try {
    const { maxBuffer: _, killSignal: number, ...rest } = request;
    const killSignal = signalName(number) as Deno.Signal;
    const job: Job = { request: rest, killSignal, name, stage, port: port2 };
    worker.postMessage(job, [port2]);
    Atomics.wait(stage, 0, STAGE.waiting, TO_BEGIN);
    // One of both threads is the first.
    if (Atomics.compareExchange(stage, 0, STAGE.waiting, STAGE.cancelled) === STAGE.waiting) {
      throw new UnsupportedError({
        feature: "runSync with input or a time limit",
        driver: "portable",
        reason: "it needs a worker, and that has not begun",
        remedy: "use run(), or grant --allow-ffi",
      });
    }
    Atomics.wait(stage, 0, STAGE.begun);
    const received = receiveMessageOnPort(port1 as unknown as NodePort);
    return outcomeOf((received as { message: Answer }).message);
  } finally {
    port1.close();
    worker.terminate();
  }
}

function outcomeOf({ pid, status, error, outputs, lost, timedOut }: Answer): SyncSpawned {
  const thrown = error && errorOf(error);
  if (pid === undefined) throw thrown;
  const [stdout, stderr] = outputs;
  const raw = status === undefined ? rawOfError(thrown) : rawStatus(status.code, status.signal);
  const exit = { raw, usage: UNKNOWN_USAGE };
  return { pid, exit, stdout, stderr, timedOut, overflowed: undefined, lost };
}

/** The error that was thrown in the worker, by its name and code. */
function errorOf({ name, message, code }: NonNullable<Answer["error"]>): Error {
  const classes: Readonly<Record<string, unknown>> = { TypeError, ...Deno.errors };
  const Class = (classes[name] ?? Error) as ErrorConstructor;
  return Object.assign(new Class(message), code === undefined ? {} : { code });
}

/** What the worker works with, whichever way the program was started. */
interface Started {
  readonly pid: number;
  readonly stdin: WritableStream<Uint8Array> | undefined;
  readonly outputs: readonly (ReadableStream<Uint8Array> | undefined)[];
  readonly status: Promise<NonNullable<Answer["status"]>>;
  kill(): void;
}

/**
 * What the worker does. It gets there as a text, so that it uses nothing of this module, and no
 * names but those that bundlers put in (see `__name`).
 */
async function work(
  { request, killSignal, name, stage, port }: Job,
  at: typeof STAGE,
): Promise<void> {
  const { path, argv, env, cwd, uid, gid, stdio, input, timeout } = request;
  const gathered: Uint8Array[][] = [[], []];
  const readers: ReadableStreamDefaultReader<Uint8Array>[] = [];
  let pid: number | undefined;
  let timedOut = false;
  let isOver = false;

  const joined = (pieces: readonly Uint8Array[]) => {
    const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
    let end = 0;
    for (const piece of pieces) {
      whole.set(piece, end);
      end += piece.length;
    }
    return whole;
  };
  const answer = (end: Partial<Answer>) => {
    if (isOver) return;
    isOver = true;
    const outputs = gathered.map(joined);
    port.postMessage({ pid, timedOut, outputs, lost: false, ...end });
    Atomics.store(stage, 0, at.done);
    Atomics.notify(stage, 0);
  };
  const described = (error: unknown) => {
    const { name = "Error", message = String(error), code } = error as Partial<Error> & {
      code?: unknown;
    };
    return { name, message, code: typeof code === "string" ? code : undefined };
  };

  const byDeno = (command: string): Started => {
    const [stdin = "null", stdout = "null", stderr = "null"] = stdio.map((each) =>
      each === "pipe" ? "piped" : "null"
    );
    const child = new Deno.Command(command, {
      args: argv.slice(1),
      stdin,
      stdout,
      stderr,
      ...(env === undefined ? {} : { env, clearEnv: true }),
      ...(cwd === undefined ? {} : { cwd }),
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
    }).spawn();
    return {
      pid: child.pid,
      stdin: stdin === "piped" ? child.stdin : undefined,
      outputs: [
        stdout === "piped" ? child.stdout : undefined,
        stderr === "piped" ? child.stderr : undefined,
      ],
      status: child.status,
      kill: () => child.kill(killSignal),
    };
  };
  const byNode = async (): Promise<Started> => {
    const { spawn } = await import("node:child_process");
    const { Readable, Writable } = await import("node:stream");
    const child = spawn(path, argv.slice(1), {
      argv0: argv[0],
      stdio: stdio.map((each) => each === "pipe" ? each : "ignore"),
      env,
      cwd,
      uid,
      gid,
    });
    const status = new Promise<NonNullable<Answer["status"]>>((resolve) =>
      child.once("exit", (code, signal) => resolve({ code: code ?? 0, signal }))
    );
    if (child.pid === undefined) {
      throw await new Promise((resolve) => child.once("error", resolve));
    }
    const readable = (stream: typeof child.stdout) =>
      stream === null ? undefined : Readable.toWeb(stream) as unknown as ReadableStream<Uint8Array>;
    return {
      pid: child.pid,
      stdin: child.stdin === null
        ? undefined
        : Writable.toWeb(child.stdin) as unknown as WritableStream<Uint8Array>,
      outputs: [readable(child.stdout), readable(child.stderr)],
      status,
      kill: () => void child.kill(killSignal as NodeJS.Signals),
    };
  };

  const feed = async (stdin: WritableStream<Uint8Array>) => {
    const writer = stdin.getWriter();
    // A program may end, or close its input, without having read all of it.
    writer.closed.catch(() => {});
    try {
      if (input !== undefined) await writer.write(input);
      await writer.close();
    } catch {
      // EPIPE.
    }
  };
  const gather = async (stream: ReadableStream<Uint8Array>, pieces: Uint8Array[]) => {
    const reader = stream.getReader();
    readers.push(reader);
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      pieces.push(new Uint8Array(value));
    }
  };

  // Such as that of an end by a signal which has no name, which node:child_process lets nobody catch.
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    answer({ error: described((event as PromiseRejectionEvent).reason), lost: true });
  });
  if (Atomics.compareExchange(stage, 0, at.waiting, at.begun) !== at.waiting) return;
  Atomics.notify(stage, 0);
  try {
    const child = name === undefined ? await byNode() : byDeno(name);
    pid = child.pid;
    if (child.stdin !== undefined) void feed(child.stdin);
    const flows = child.outputs.map((stream, i) => stream && gather(stream, gathered[i] ?? []));
    let hasEnded = false;
    const ended = child.status.then(
      (status) => ({ status }),
      (error: unknown) => ({ error: described(error) }),
    ).finally(() => hasEnded = true);
    if (timeout !== undefined) {
      setTimeout(() => {
        timedOut = true;
        try {
          if (!hasEnded) child.kill();
        } catch (error) {
          const isGone = error instanceof Deno.errors.NotFound ||
            /already terminated/.test(String(error));
          if (!isGone) answer({ error: described(error), lost: true });
        }
        // Not to wait for what else has the outputs open.
        void ended.then(() => readers.map((reader) => reader.cancel()));
      }, Math.max(1, Math.ceil(timeout)));
    }
    const end = await ended;
    await Promise.all(flows);
    answer(end);
  } catch (error) {
    answer({ error: described(error), lost: true });
  }
}
