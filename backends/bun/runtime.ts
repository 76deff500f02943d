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
interface BunFileSink {
  write(bytes: Uint8Array): number | Promise<number>;
  flush(): number | Promise<number>;
  end(): number | Promise<number>;
  ref(): void;
  unref(): void;
}

/** The global. */
interface BunRuntime {
  readonly version: string;
  file(fd: number): BunFile;
}

/** Bun. */
export const bun: BunRuntime = (globalThis as unknown as { Bun: BunRuntime }).Bun;
