/**
 * One fault at a time: a call of the parent that fails instead of being made, or an operation of
 * the child that cannot succeed. Faults are counted in the order in which a scenario comes to
 * them, so that the same number means the same call each time.
 *
 * @module
 */

import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import type { Arch } from "../../backends/child_program/arch.ts";
import type { Call, Program } from "../../backends/child_program/call.ts";
import { rewritePrograms } from "../../backends/child_program/encode.ts";
import type { Host } from "../../backends/spawner/host.ts";
import type { Libc } from "../../backends/native/libc.ts";
import { RESULT_AT } from "../../backends/native/clone_args.ts";
import { type Spawner, StartError } from "../../backends/spawner/spawner.ts";
import { errnoName, errnoNumber, errnoText } from "../../core/tables/errno.ts";

/** One fault: which call, counted from 0, and how it fails. */
export interface Fault {
  readonly side: "parent" | "child";
  readonly index: number;
  /** The name of the call, for people. */
  readonly name: string;
  /** The errno of the parent's call; the way in which the child's fails. */
  readonly how: string;
}

/** What a scenario came to without a fault. */
export interface Trace {
  readonly parent: readonly string[];
  readonly child: readonly string[];
}

let armed: Fault | undefined;
let active = false;
let hit = false;
let parent: string[] = [];
let child: string[] = [];

/** Runs an action with a fault, or with none to see which there can be. */
export async function during<T>(
  fault: Fault | undefined,
  action: () => T | Promise<T>,
): Promise<T> {
  [armed, parent, child, active, hit] = [fault, [], [], true, false];
  rewritePrograms(breakCall);
  try {
    return await action();
  } finally {
    active = false;
    rewritePrograms(undefined);
  }
}

/** What was counted since the last `during` began, and whether its fault was met. */
export function trace(): Trace & { readonly hit: boolean } {
  return { parent, child, hit };
}

/** All faults that a trace has room for. */
export function faultsOf({ parent, child }: Trace): Fault[] {
  const ofParent = parent.flatMap((name, index) =>
    (PARENT[name] ?? ["ENOMEM"]).map((how): Fault => ({ side: "parent", index, name, how }))
  );
  const ofChild = child.flatMap((name, index) =>
    INFALLIBLE.has(name)
      ? []
      : ["ENOSYS", "EBADF"].map((how): Fault => ({ side: "child", index, name, how }))
  );
  return [...ofParent, ...ofChild];
}

/** A waitid(2) that does not wait, which no signal interrupts. */
const UNWAITING = "waitid WNOHANG";
const WNOHANG = 1;

/**
 * How calls of the parent can fail; the others with ENOMEM. EINTR only where a signal can
 * interrupt. A close(2) is made and fails nevertheless, as on Linux; what gives something back or
 * asks a process to end cannot be refused, or leaving something behind would be right.
 */
const PARENT: Readonly<Record<string, readonly string[]>> = {
  read: ["EINTR", "EIO"],
  write: ["EINTR", "ENOSPC"],
  pwrite64: ["EINTR", "ENOSPC"],
  openat: ["EMFILE", "ENOMEM"],
  pipe2: ["EMFILE", "ENFILE"],
  memfd_create: ["EMFILE", "ENOMEM", "ENOSYS"],
  epoll_create1: ["EMFILE", "ENOMEM"],
  pidfd_open: ["EMFILE", "ENOMEM"],
  epoll_pwait: ["EINTR"],
  // Such calls fail only where a filter refuses them.
  prctl: ["EPERM"],
  capget: ["EPERM"],
  ppoll: ["EINTR", "ENOMEM"],
  waitid: ["EINTR"],
  nanosleep: ["EINTR"],
  close: ["EINTR"],
  [UNWAITING]: [],
  getuid: [],
  geteuid: [],
  getgid: [],
  getegid: [],
  getpid: [],
  munmap: [],
  exit_group: [],
  kill: [],
  pidfd_send_signal: [],
  rt_sigprocmask: [],
  clone: ["EAGAIN", "ENOMEM"],
  "spawner.spawn": ["EAGAIN", "ENOMEM", "EMFILE", "killed"],
  "spawner.spawnSync": ["EAGAIN", "ENOMEM", "EMFILE"],
  "host.source": ["ENOMEM"],
  "host.sink": ["ENOMEM"],
  openSync: ["EMFILE", "ENOMEM"],
  readSync: ["EIO"],
  writeSync: ["ENOSPC"],
  closeSync: ["EIO"],
  writeFileSync: ["ENOSPC", "EMFILE"],
  readFileSync: ["EMFILE", "ENOMEM"],
  mkdtempSync: ["ENOSPC"],
  accessSync: ["ENOMEM"],
};

/**
 * Calls of the child that no kernel lets fail and return, and those that the supervisor of a
 * synchronous run makes again and again: broken for good, they are no fault that there is.
 */
const INFALLIBLE = new Set([
  "exit_group",
  "getpid",
  "getppid",
  "sched_get_priority_max",
  "ppoll",
  "splice",
  "pidfd_send_signal",
  "read timer",
]);

/** A call of the child by its name. */
function nameOf({ name, args }: Call): string {
  const [, into] = args;
  const timer = typeof into === "object" && "cell" in into && into.cell === "ticks";
  return timer ? `${name} timer` : String(name);
}

/** Counts a call of the parent; the errno that it fails with, if it is the one. */
function met(name: string): string | undefined {
  if (!active) return undefined;
  const index = parent.push(name) - 1;
  if (armed?.side !== "parent" || armed.index !== index || armed.name !== name) return undefined;
  hit = true;
  return armed.how;
}

function numberOf(code: string): number {
  const number = errnoNumber(code);
  if (number === undefined) throw new Error(`no errno is called ${code}`);
  return number;
}

/** A call that fails where another one was, if it is the turn of that one. */
function breakCall(program: Program): Program {
  if (!active) return program;
  const first = child.length;
  for (const call of program.calls) child.push(nameOf(call));
  if (armed?.side !== "child") return program;
  const call = program.calls[armed.index - first];
  if (call === undefined || nameOf(call) !== armed.name) return program;
  hit = true;
  const calls = program.calls.with(armed.index - first, broken(call, armed.how));
  // What many programs begin with is kept: a broken one must not be.
  return { calls, cells: program.cells };
}

function broken(call: Call, how: string): Call {
  if (how === "ENOSYS") return { ...call, name: 100_000 };
  return { ...call, name: "close", args: [-1, ...call.args.slice(1)], ...each(call) };
}

/** As many operations as before. */
function each(call: Call): Pick<Call, "each"> {
  return call.each === undefined ? {} : { each: call.each.map(() => -1) };
}

/** libc, of which single calls fail. */
export function faultyLibc(libc: Libc, arch: Arch): Libc {
  const names = new Map(Object.entries(arch.numbers).map(([name, number]) => [number, name]));
  const close = arch.numbers.close;
  return {
    ...libc,
    syscall(number, ...args) {
      const name = names.get(number) ?? String(number);
      const unwaiting = name === "waitid" && ((args[3] ?? 0) & WNOHANG) !== 0;
      const how = met(unwaiting ? UNWAITING : name);
      if (how === undefined) return libc.syscall(number, ...args);
      if (number === close) libc.syscall(number, ...args);
      return -numberOf(how);
    },
    // Only clones go this way.
    invoke(address, argument) {
      const how = met("clone");
      if (how === undefined) return libc.invoke(address, argument);
      new DataView(libc.view(argument + RESULT_AT, 8)).setBigInt64(0, -BigInt(numberOf(how)), true);
    },
  };
}

/** A host whose event loop refuses single descriptors. */
export function faultyHost(host: Host): Host {
  const refuse = (name: string) => {
    const how = met(name);
    if (how !== undefined) throw systemError(how, name);
  };
  return {
    ...host,
    source(fd) {
      refuse("host.source");
      return host.source(fd);
    },
    sink(fd) {
      refuse("host.sink");
      return host.sink(fd);
    },
  };
}

/** A spawner that refuses single starts. */
export function faultySpawner(spawner: Spawner): Spawner {
  const refuse = (how: string | undefined) => {
    if (how === undefined || how === "killed") return;
    throw new StartError(numberOf(how), `spawn ${how}: ${errnoText(numberOf(how))}`);
  };
  return {
    async spawn(request) {
      const how = met("spawner.spawn");
      refuse(how);
      const spawned = await spawner.spawn(request);
      if (how === "killed") spawned.kill(9);
      return spawned;
    },
    spawnSync(request) {
      refuse(met("spawner.spawnSync"));
      return spawner.spawnSync(request);
    },
  };
}

/** The functions of node:fs that drivers without FFI use. */
const FILES = [
  "openSync",
  "closeSync",
  "readSync",
  "writeSync",
  "writeFileSync",
  "readFileSync",
  "fstatSync",
  "statSync",
  "lstatSync",
  "mkdtempSync",
  "accessSync",
  "readlinkSync",
] as const;

type Any = (...args: unknown[]) => unknown;

/**
 * Makes single calls of node:fs fail. Only Node lets named imports of a built-in module be
 * replaced; the engine that is tested there is the same one as on Bun.
 */
export function replaceFiles(): void {
  const files = fs as unknown as Record<string, Any>;
  for (const name of FILES) {
    const original = files[name];
    if (original === undefined) continue;
    files[name] = (...args) => {
      if (!active || !calledByBackend()) return original(...args);
      const how = met(name);
      if (how === undefined) return original(...args);
      if (name === "closeSync") original(...args);
      throw systemError(how, name);
    };
  }
  syncBuiltinESMExports();
}

/** The runtime's own modules and the scenarios use the same functions. */
function calledByBackend(): boolean {
  const { stack = "" } = new Error();
  return /\/backends\//.test(stack.split("\n")[3] ?? "");
}

function systemError(code: string, syscall: string): Error {
  const errno = numberOf(code);
  const error = new Error(`${code}: ${errnoText(errno)}, ${syscall.replace("Sync", "")}`);
  return Object.assign(error, { errno: -errno, code: errnoName(errno), syscall });
}
