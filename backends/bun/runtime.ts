/**
 * What is used of Bun's global, typed here: the sources are checked by Deno as well, which does
 * not know it.
 *
 * @module
 */

/** A file or pipe of Bun's. */
interface BunFile {
  stream(): ReadableStream<Uint8Array>;
  writer(options: { highWaterMark: number }): BunFileSink;
}

/** What writes to one. */
export interface BunFileSink {
  write(bytes: Uint8Array): number | Promise<number>;
  flush(): number | Promise<number>;
  end(): number | Promise<number>;
  ref(): void;
  unref(): void;
}

/** A program that Bun has started. */
interface BunProcess {
  readonly pid: number;
  /** What it wants of the child: a sink, a stream, or the number of a descriptor from 3 on. */
  readonly stdin: BunFileSink | undefined;
  readonly stdout: ReadableStream<Uint8Array> | undefined;
  readonly stderr: ReadableStream<Uint8Array> | undefined;
  readonly stdio: readonly (number | null | undefined)[];
  readonly exited: Promise<number>;
  readonly exitCode: number | null;
  /** A number, if it has no name for it. */
  readonly signalCode: string | number | null;
  resourceUsage(): BunUsage | undefined;
  kill(signal: number): void;
  ref(): void;
  unref(): void;
}

/** What Bun tells of a child that has ended: microseconds and bytes. */
export interface BunUsage {
  readonly cpuTime: { readonly user: number | bigint; readonly system: number | bigint };
  readonly maxRSS: number;
}

/** What Bun is asked to start. */
export interface BunRequest {
  readonly cmd: readonly string[];
  readonly argv0?: string;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly uid?: number;
  readonly gid?: number;
  readonly detached?: boolean;
  readonly stdio: readonly ("ignore" | "pipe" | number | Uint8Array)[];
}

/** What came of a program that Bun has run to its end. */
export interface BunOutcome {
  readonly pid: number;
  readonly exitCode: number | null;
  readonly signalCode?: string | number | null;
  readonly exitedDueToTimeout?: boolean;
  readonly exitedDueToMaxBuffer?: boolean;
  readonly stdout: Uint8Array | undefined;
  readonly stderr: Uint8Array | undefined;
  readonly resourceUsage: BunUsage | undefined;
}

/** A socket of Bun's. */
interface BunSocket {
  /** How many bytes were taken; the rest when `drain` is called. */
  write(bytes: Uint8Array): number;
  terminate(): void;
  ref(): void;
  unref(): void;
}

/** What Bun calls on a socket's events. */
interface BunSocketHandler {
  open(socket: BunSocket): void;
  data(socket: BunSocket, bytes: Uint8Array): void;
  drain(socket: BunSocket): void;
  close(socket: BunSocket): void;
  error(socket: BunSocket, error: Error): void;
}

/** The global. */
interface BunRuntime {
  readonly version: string;
  file(fd: number): BunFile;
  spawn(request: BunRequest): BunProcess;
  spawnSync(
    request: BunRequest & {
      readonly timeout?: number;
      readonly killSignal?: number;
      readonly maxBuffer?: number;
    },
  ): BunOutcome;
  connect(options: { readonly fd: number; readonly socket: BunSocketHandler }): Promise<unknown>;
}

/** Bun. */
export const bun: BunRuntime = (globalThis as unknown as { Bun: BunRuntime }).Bun;
