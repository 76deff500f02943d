/**
 * The inside of a hook: what a runtime does in the child to run a `preExec` module. It has the
 * child's pid, its descriptors and the rights of the parent. When the hook has returned, the process
 * continues as the program after the hook.
 *
 * The runtime gets this program as text (code.ts, written by scripts/hook_code.mjs), because a
 * library that is bundled or compiled into an application has no file of its own to load. So it is
 * one program for all three runtimes, and imports nothing of the library but types and the numbers
 * of the protocol.
 *
 * @module
 */

import type * as BunFfi from "bun:ffi";
import type nodeProcess from "node:process";
import { HOOK_FAILED, type HookFailure } from "../child_program/protocol.ts";
import type { HookCalls, HookNumbers } from "../child_program/hook_start.ts";
import { openLibc } from "../posix/libc_files.ts";

/** Loads the module of the hook. */
type LoadHook = () => Promise<Record<string, unknown>>;

/** What the parent has written for the hook. */
interface HookNote {
  readonly module: string;
  /** Variables that this runtime did not get at its start. */
  readonly variables: Readonly<Record<string, string>>;
  readonly data: string;
  readonly argv: readonly string[];
  readonly env: readonly string[];
  readonly fds: readonly number[];
  /** The descriptors that the program after the hook needs. */
  readonly keep: readonly number[];
  /** Whether one of them has the lock of a pid file, which is lost when it is closed. */
  readonly locked: boolean;
}

/** The child that a hook runs in, the second argument of a hook. */
export interface HookChild {
  /** The child's process id, which is this process's. */
  readonly pid: number;
  /** The arguments of the program that will run. */
  readonly argv: readonly string[];
  /** Its environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Its descriptors. */
  readonly fds: readonly number[];
}

/** What each runtime does in its own way with descriptors and folders that it has inherited. */
interface HookSystem {
  /** Reads up to as many bytes as fit, from an offset on. Returns the count. */
  read(fd: number, bytes: Uint8Array, at: number): number;
  /** Writes as much as it can. Returns the count. */
  write(fd: number, bytes: Uint8Array): number;
  close(fd: number): void;
  /** Returns the current folder; undefined if it cannot be known. */
  currentFolder(): string | undefined;
  /** Changes to the folder that is open as a descriptor. */
  /** Changes to the folder that is open as a descriptor. */
  enter(folder: number): void;
  setVariable(name: string, value: string): void;
}

/** libc, as far as it is needed. */
interface HookLibc {
  /** syscall(2): the result, or the negative errno. */
  syscall(number: number, ...args: number[]): number;
  view(address: number, length: number): ArrayBuffer;
}

/** Calls by name, with some memory for their arguments. */
interface HookKernel {
  /** The result, or the negative errno. */
  call(name: keyof HookCalls, ...args: number[]): number;
  /** Where the memory is. */
  readonly address: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** What is used of node:ffi. */
interface NodeFfi {
  dlopen(path: null, definitions: Readonly<Record<string, unknown>>): {
    functions: Record<"syscall" | "__errno_location", (...args: bigint[]) => bigint>;
  };
  toArrayBuffer(address: bigint, length: number, copy: boolean): ArrayBuffer;
}

const process = (globalThis as unknown as { process: typeof nodeProcess }).process;

const ENOSYS = 38;
const EIO = 5;
const F_SETFD = 2;
const AT_FDCWD = -100;
const AT_EMPTY_PATH = 0x1000;
const PROT_READ_WRITE = 3;
const MAP_PRIVATE_ANONYMOUS = 0x22;
const SIZE = 65_536;

/** Runs the hook and continues. Reports to the parent and ends the process if either fails. */
export async function hookMain(numbers: HookNumbers, load: LoadHook): Promise<void> {
  const kernel = kernelHere(numbers);
  const system = "Deno" in globalThis ? systemByLibc(kernel) : await systemByNode();
  const note = readNote(numbers, system);
  const failure = lostLock(note, kernel) ?? await callHook(note, numbers, load, system) ??
    continueWith(numbers, note, kernel);
  const report = new TextEncoder().encode(JSON.stringify(failure));
  const bytes = Uint8Array.from([HOOK_FAILED, ...report]);
  for (let at = 0; at < bytes.length;) at += system.write(numbers.status, bytes.subarray(at));
  process.exit(1);
}

/** Returns the kernel, or undefined on a runtime without FFI. */
function kernelHere({ calls }: HookNumbers): HookKernel | undefined {
  const libc = libcHere();
  if (libc === undefined) return undefined;
  const { syscall, view } = libc;
  const address = syscall(calls.mmap, 0, SIZE, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
  if (address < 0) throw new Error(`mmap: errno ${-address}`);
  return {
    call: (name, ...args) => syscall(calls[name], ...args),
    address,
    bytes: new Uint8Array(view(address, SIZE)),
  };
}

const ARGUMENTS = 6;

/** The arguments of a call, zeros for those that are not given. */
function padded(args: readonly number[]): number[] {
  return Array.from({ length: ARGUMENTS }, (_, i) => args[i] ?? 0);
}

function libcHere(): HookLibc | undefined {
  if ("Deno" in globalThis) return libcOfDeno();
  if ("Bun" in globalThis) return libcOfBun();
  return libcOfNode();
}

function libcOfDeno(): HookLibc {
  const word = "i64";
  const { symbols } = openLibc((file) =>
    Deno.dlopen(file, {
      syscall: { parameters: [word, word, word, word, word, word, word], result: word },
      __errno_location: { parameters: [], result: "pointer" },
    })
  );
  const view = (pointer: Deno.PointerValue, length: number) => {
    if (pointer === null) throw new Error("a null pointer has no memory");
    return Deno.UnsafePointerView.getArrayBuffer(pointer, length);
  };
  const errno = new Int32Array(view(symbols.__errno_location(), 4));
  return {
    syscall(number, ...args) {
      const [a = 0n, b = 0n, c = 0n, d = 0n, e = 0n, f = 0n] = padded(args).map(BigInt);
      const result = Number(symbols.syscall(BigInt(number), a, b, c, d, e, f));
      return result === -1 ? -(errno[0] ?? 0) : result;
    },
    view: (address, length) => view(Deno.UnsafePointer.create(BigInt(address)), length),
  };
}

function libcOfBun(): HookLibc {
  // The oldest releases have no process.getBuiltinModule.
  const { Bun } = globalThis as unknown as { Bun: { FFI: typeof BunFfi } };
  const { dlopen, toArrayBuffer } = process.getBuiltinModule?.("bun:ffi") as typeof BunFfi ??
    Bun.FFI;
  const word = "i64";
  const { symbols } = openLibc((file) =>
    dlopen(file, {
      syscall: { args: [word, word, word, word, word, word, word], returns: word },
      __errno_location: { args: [], returns: "ptr" },
    })
  );
  const location = symbols.__errno_location();
  if (location === null) throw new Error("libc has no errno");
  const errno = new Int32Array(toArrayBuffer(location, 0, 4));
  return {
    syscall(number, ...args) {
      const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = padded(args);
      const result = Number(symbols.syscall(number, a, b, c, d, e, f));
      return result === -1 ? -(errno[0] ?? 0) : result;
    },
    view: (address, length) => toArrayBuffer(address as BunFfi.Pointer, 0, length),
  };
}

function libcOfNode(): HookLibc | undefined {
  const ffi = nodeFfi();
  if (ffi === undefined) return undefined;
  const word = "i64";
  const { functions } = ffi.dlopen(null, {
    syscall: { arguments: [word, word, word, word, word, word, word], return: word },
    __errno_location: { arguments: [], return: "pointer" },
  });
  const errno = new Int32Array(ffi.toArrayBuffer(functions.__errno_location(), 4, false));
  return {
    syscall(number, ...args) {
      const result = Number(functions.syscall(...[number, ...padded(args)].map(BigInt)));
      return result === -1 ? -(errno[0] ?? 0) : result;
    },
    view: (address, length) => ffi.toArrayBuffer(BigInt(address), length, false),
  };
}

function nodeFfi(): NodeFfi | undefined {
  const { permission } = process as { permission?: { has(scope: string): boolean } };
  // The module is there all the same, and refuses whatever it is asked to do.
  if (permission?.has("ffi") === false) return undefined;
  try {
    return process.getBuiltinModule?.("node:ffi") as unknown as NodeFfi | undefined;
  } catch {
    return undefined;
  }
}

/** Goes through `node:fs`, for runtimes where it accepts inherited descriptors. */
async function systemByNode(): Promise<HookSystem> {
  const { closeSync, readSync, writeSync } = await import("node:fs");
  return {
    read: (fd, bytes, at) => readSync(fd, bytes, 0, bytes.length, at),
    write: (fd, bytes) => writeSync(fd, bytes),
    close: closeSync,
    currentFolder() {
      try {
        return process.cwd();
      } catch {
        // It was removed.
        return undefined;
      }
    },
    enter: (folder) => process.chdir(`/proc/self/fd/${folder}`),
    setVariable: (name, value) => void (process.env[name] = value),
  };
}

/**
 * Goes through libc: Deno's API refuses descriptors that Deno has not opened, and needs
 * permissions.
 */
function systemByLibc(kernel: HookKernel | undefined): HookSystem {
  if (kernel === undefined) throw new Error("a hook needs FFI on this runtime");
  const { address, bytes: memory } = kernel;
  const checked = (name: keyof HookCalls, ...args: number[]) => {
    const result = kernel.call(name, ...args);
    if (result < 0) throw new Error(`${name}: errno ${-result}`);
    return result;
  };
  const folderAt = 1024;
  return {
    read(fd, bytes, at) {
      const count = checked("pread64", fd, address, Math.min(bytes.length, SIZE), at);
      bytes.set(memory.subarray(0, count));
      return count;
    },
    write(fd, bytes) {
      const length = Math.min(bytes.length, SIZE);
      memory.set(bytes.subarray(0, length));
      return checked("write", fd, address, length);
    },
    close: (fd) => void checked("close", fd),
    currentFolder() {
      memory.set(new TextEncoder().encode("/proc/self/cwd\0"));
      const at = address + folderAt;
      const count = kernel.call("readlinkat", AT_FDCWD, address, at, SIZE - folderAt);
      if (count < 0) return undefined;
      return new TextDecoder().decode(memory.slice(folderAt, folderAt + count));
    },
    enter: (folder) => void checked("fchdir", folder),
    setVariable(name, value) {
      const { state } = Deno.permissions.querySync({ name: "env", variable: name });
      if (state === "granted") Deno.env.set(name, value);
    },
  };
}

function readNote({ image, at, length }: HookNumbers, system: HookSystem): HookNote {
  const bytes = new Uint8Array(length);
  for (let got = 0; got < length;) {
    const count = system.read(image, bytes.subarray(got), at + got);
    if (count === 0) throw new Error("the note for the hook is incomplete");
    got += count;
  }
  return JSON.parse(new TextDecoder().decode(bytes)) as HookNote;
}

/**
 * Changes back to the folder that the process was in. It has been in the root of the file system
 * since then, so that the runtime did not load the configuration of an arbitrary folder. If the
 * folder could not be opened, the process is still in it.
 */
function goBack({ folder }: HookNumbers, system: HookSystem): void {
  if (system.currentFolder() !== "/") return;
  system.enter(folder);
  system.close(folder);
}

/** Node without FFI closes the descriptor of a pid file, and with it goes the lock; see fcntl(2). */
function lostLock({ locked }: HookNote, kernel: HookKernel | undefined): HookFailure | undefined {
  if (!locked || kernel !== undefined) return undefined;
  return { message: "this runtime has no FFI, and would lose the lock of the pid file" };
}

async function callHook(
  note: HookNote,
  numbers: HookNumbers,
  load: LoadHook,
  system: HookSystem,
): Promise<HookFailure | undefined> {
  try {
    goBack(numbers, system);
    for (const [name, value] of Object.entries(note.variables)) system.setVariable(name, value);
    const module = await load();
    const hook = module["default"] ?? module["preExec"];
    if (typeof hook !== "function") {
      throw new TypeError(`${note.module} exports no function: neither default nor preExec`);
    }
    const child: HookChild = {
      pid: process.pid,
      argv: note.argv,
      env: Object.fromEntries(note.env.map((each) => {
        const at = each.indexOf("=");
        return [each.slice(0, at), each.slice(at + 1)];
      })),
      fds: note.fds,
    };
    const result: unknown = await hook(JSON.parse(note.data), child);
    if (typeof result === "number" && result !== 0) {
      return { message: `the hook returned ${result}` };
    }
    return undefined;
  } catch (error) {
    if (!(error instanceof Error)) return { message: String(error) };
    const { message, stack } = error;
    return stack === undefined ? { message } : { message, stack };
  }
}

/** Executes the file with the program after the hook. Returns only if that fails. */
function continueWith(
  { image }: HookNumbers,
  { keep }: HookNote,
  kernel: HookKernel | undefined,
): HookFailure {
  const errno = kernel === undefined ? executeByNode(image) : execute(kernel, image, keep);
  return { message: "the program after the hook could not be executed", errno };
}

function execute(kernel: HookKernel, image: number, keep: readonly number[]): number {
  // A runtime marks what it has inherited as close-on-exec.
  for (const fd of keep) kernel.call("fcntl", fd, F_SETFD, 0);
  // Empty path, argv = { empty path, NULL }, envp = { NULL }
  const { address, bytes } = kernel;
  const [EMPTY_AT, ARGV_AT, ENVP_AT, NAME_AT] = [0, 8, 24, 64];
  bytes.fill(0, 0, 64);
  const words = new DataView(bytes.buffer);
  words.setBigUint64(ARGV_AT, BigInt(address + EMPTY_AT), true);
  const [argv, envp] = [address + ARGV_AT, address + ENVP_AT];
  const refused = kernel.call("execveat", image, address + EMPTY_AT, argv, envp, AT_EMPTY_PATH);
  // A sandbox may refuse this call and not the other one, which needs /proc.
  bytes.set(new TextEncoder().encode(`/proc/self/fd/${image}\0`), NAME_AT);
  kernel.call("execve", address + NAME_AT, argv, envp);
  return -refused;
}

/**
 * Continues by `process.execve`, since Node 22.15. The program after the hook finds its descriptors at
 * numbers that Node does not mark.
 */
function executeByNode(image: number): number {
  const { execve } = process as {
    execve?: (path: string, argv: readonly string[], env: Record<string, string>) => void;
  };
  if (execve === undefined) return ENOSYS;
  execve.call(process, `/proc/self/fd/${image}`, ["vircommand"], {});
  // If it fails, Node ends the process, and the parent finds that out.
  return EIO;
}
