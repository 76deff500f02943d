// The parts of Deno's global that backends/deno/ uses, for tsc, which has no types for it.
// `deno check` checks the same files against the real types.

declare namespace Deno {
  /** For tests of Deno's own test runner. */
  function test(
    name: string,
    options: { sanitizeOps: boolean; sanitizeResources: boolean; sanitizeExit: boolean },
    fn: () => void | Promise<void>,
  ): void;
  type Signal = string;
  const build: { os: string; arch: string; standalone: boolean };
  const mainModule: string;
  const version: { deno: string };
  const env: {
    get(name: string): string | undefined;
    set(name: string, value: string): void;
    toObject(): Record<string, string>;
  };
  const permissions: {
    querySync(
      descriptor:
        | { name: "run"; command?: string }
        | { name: "env"; variable?: string }
        | { name: "read" | "write"; path?: string }
        | { name: "read" | "write" | "net" | "env" | "run" | "sys" | "ffi" | "import" },
    ): {
      state: string;
      partial: boolean;
    };
  };
  const errors: Record<
    "NotCapable" | "NotFound" | "PermissionDenied",
    new (message: string) => Error
  >;
  interface ChildProcess {
    readonly pid: number;
    readonly stdin: WritableStream<Uint8Array>;
    readonly stdout: ReadableStream<Uint8Array>;
    readonly stderr: ReadableStream<Uint8Array>;
    readonly status: Promise<{ code: number; signal: string | null }>;
    kill(signal: number | Signal): void;
    ref(): void;
    unref(): void;
  }
  interface CommandOptions {
    args: readonly string[];
    stdin: "null" | "piped";
    stdout: "null" | "piped";
    stderr: "null" | "piped";
    env?: Record<string, string>;
    clearEnv?: boolean;
    cwd?: string;
    uid?: number;
    gid?: number;
  }
  class Command {
    constructor(path: string, options: CommandOptions);
    spawn(): ChildProcess;
    outputSync(): {
      code: number;
      signal: string | null;
      stdout: Uint8Array;
      stderr: Uint8Array;
    };
  }
  function cwd(): string;
  function execPath(): string;
  type Signal = `SIG${string}`;
  function addSignalListener(signal: string, listener: () => void): void;
  function removeSignalListener(signal: string, listener: () => void): void;

  interface PointerObject {
    readonly __brand: unique symbol;
  }
  type PointerValue = PointerObject | null;
  const UnsafePointer: {
    create(address: bigint): PointerValue;
    of(bytes: Uint8Array): PointerValue;
    value(pointer: PointerValue): bigint;
  };
  const UnsafePointerView: { getArrayBuffer(pointer: PointerObject, length: number): ArrayBuffer };

  type Results = {
    i32: number;
    i64: bigint;
    u64: bigint;
    pointer: PointerValue;
  };
  type Parameters = { i32: number; u32: number; i64: bigint; u64: bigint };
  interface Call {
    readonly parameters: readonly (keyof Parameters)[];
    readonly result: keyof Results;
  }
  interface Variable {
    readonly type: "pointer";
  }
  type Symbol<S> = S extends Call ? (
      ...args: { [I in keyof S["parameters"]]: Parameters[S["parameters"][I]] }
    ) => Results[S["result"]]
    : PointerValue;
  function dlopen<const S extends Record<string, Call | Variable>>(path: string, symbols: S): {
    symbols: { [K in keyof S]: Symbol<S[K]> };
    close(): void;
  };
}
