/**
 * The parts of Bun's global that are used, with their types: Deno checks the sources as well, and
 * does not have these types.
 *
 * @module
 */

/** A file or pipe of Bun's. */
interface BunFile {
  stream(): ReadableStream<Uint8Array>;
  writer(options: { highWaterMark: number }): BunFileSink;
}

/** A writer of a file. */
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
  /** The parent's ends of the pipes: a writer, streams, and from 3 on descriptors. */
  readonly stdin: BunFileSink | undefined;
  readonly stdout: ReadableStream<Uint8Array> | undefined;
  readonly stderr: ReadableStream<Uint8Array> | undefined;
  readonly stdio: readonly (number | null | undefined)[];
  readonly exited: Promise<number>;
  readonly exitCode: number | null;
  /** A number, if Bun has no name for the signal. */
  readonly signalCode: string | number | null;
  resourceUsage(): BunUsage | undefined;
  kill(signal: number): void;
  ref(): void;
  unref(): void;
}

/** What a child has used that has ended, in microseconds and bytes. */
export interface BunUsage {
  readonly cpuTime: { readonly user: number | bigint; readonly system: number | bigint };
  readonly maxRSS: number;
}

/** The program to start. */
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

/** The outcome of a program that Bun has run synchronously. */
interface BunOutcome {
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
export interface BunSocket {
  /** Returns how many bytes were taken. The rest can be written once `drain` is called. */
  write(bytes: Uint8Array): number;
  terminate(): void;
  ref(): void;
  unref(): void;
}

/** The listeners for the events of a socket. */
interface BunSocketHandler {
  open(socket: BunSocket): void;
  data(socket: BunSocket, bytes: Uint8Array): void;
  drain(socket: BunSocket): void;
  close(socket: BunSocket): void;
  error(socket: BunSocket, error: Error): void;
}

/** Bun's global. */
interface BunRuntime {
  readonly version: string;
  /** Since 1.4. */
  readonly isStandaloneExecutable?: boolean;
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

/** Bun's global, which only exists on Bun. */
export const bun: BunRuntime = (globalThis as unknown as { Bun: BunRuntime }).Bun;
