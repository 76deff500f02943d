/**
 * The inside of a hook: what the runtime does that was executed anew, in the child, to run a
 * `preExec` module. It has the child's pid, its descriptors and the parent's rights. When the hook
 * has returned, the process goes on as the second half of the child program.
 *
 * @module
 */

import { closeSync, readSync, writeSync } from "node:fs";
import { process } from "./process.ts";
import { HOOK_FAILED, type HookFailure } from "./child_program/protocol.ts";
import type { HookNumbers, HookStart } from "./child_program/hook_start.ts";

/** Loads the module of the hook. */
type LoadHook = () => Promise<Record<string, unknown>>;

/** What the parent has left for the hook. */
interface HookNote {
  readonly module: string;
  /** Variables that were kept from this runtime when it started. */
  readonly variables: Readonly<Record<string, string>>;
  readonly data: string;
  readonly argv: readonly string[];
  readonly env: readonly string[];
  readonly fds: readonly number[];
  /** Everything that the second half needs. */
  readonly keep: readonly number[];
}

/** What a hook is told of the child that it runs in. */
export interface HookChild {
  /** The child's process id, which is this process's. */
  readonly pid: number;
  /** The argument list of the program to come. */
  readonly argv: readonly string[];
  /** Its environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Its descriptors. */
  readonly fds: readonly number[];
}

/** What goes on with the process: executes `image`, keeping these descriptors. */
export type Continue = (image: number, keep: readonly number[]) => { errno: number };

/** What a runtime does in its own way with what it has inherited. */
export interface HookSystem {
  /** Reads from a position on, as much as is there of `bytes`; the count. */
  read(fd: number, bytes: Uint8Array, at: number): number;
  /** Writes what it can; the count. */
  write(fd: number, bytes: Uint8Array): number;
  close(fd: number): void;
  /** The current folder; undefined if it cannot be known. */
  currentFolder(): string | undefined;
  enter(folder: number): void;
  setVariable(name: string, value: string): void;
}

/** By `node:fs`, for runtimes where it takes any descriptor. */
export const nodeSystem: HookSystem = {
  read: (fd, bytes, at) => readSync(fd, bytes, 0, bytes.length, at),
  write: (fd, bytes) => writeSync(fd, bytes),
  close: closeSync,
  currentFolder() {
    try {
      return process.cwd();
    } catch {
      // It has no name any more.
      return undefined;
    }
  },
  enter: (folder) => process.chdir(`/proc/self/fd/${folder}`),
  setVariable: (name, value) => void (process.env[name] = value),
};

/**
 * Code that runs a hook, by way of `hookMain` of the module at `url`. Both are named by literals:
 * that is how Deno knows them for parts of the program, which need no permission to be read.
 */
export function hookCode(url: string, { module, ...numbers }: HookStart): string {
  const main = `import(${JSON.stringify(url)})`;
  const load = `() => import(${JSON.stringify(module)})`;
  return `${main}.then((m) => m.hookMain(${JSON.stringify(numbers)}, ${load}))`;
}

/** Runs the hook and continues; ends the process if either fails. */
export async function runHook(
  numbers: HookNumbers,
  load: LoadHook,
  system: HookSystem,
  go: Continue,
): Promise<void> {
  const note = readNote(numbers, system);
  const failure = await callHook(note, numbers, load, system) ?? continueWith(note, numbers, go);
  const report = new TextEncoder().encode(JSON.stringify(failure));
  const bytes = Uint8Array.from([HOOK_FAILED, ...report]);
  for (let at = 0; at < bytes.length;) at += system.write(numbers.tell, bytes.subarray(at));
  process.exit(1);
}

function readNote({ image, at, length }: HookNumbers, system: HookSystem): HookNote {
  const bytes = new Uint8Array(length);
  for (let got = 0; got < length;) {
    const count = system.read(image, bytes.subarray(got), at + got);
    if (count === 0) throw new Error("the note of a hook is cut off");
    got += count;
  }
  return JSON.parse(new TextDecoder().decode(bytes)) as HookNote;
}

/**
 * Goes back to where the process was. Until here it was in the root of the file system, so that a
 * runtime loaded no configuration of a folder that nobody has named. If that folder could not be
 * opened, it was not left.
 */
function goBack({ folder }: HookNumbers, system: HookSystem): void {
  if (system.currentFolder() !== "/") return;
  system.enter(folder);
  system.close(folder);
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

function continueWith(note: HookNote, { image }: HookNumbers, go: Continue): HookFailure {
  const { errno } = go(image, note.keep);
  return { message: "the second half of the start could not be executed", errno };
}
