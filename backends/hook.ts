/**
 * The inside of a hook: what the runtime does that was executed again, in the child, to run a
 * `preExec` module. It has the pid and the descriptors of the child, and the rights of the parent.
 * Once the hook has returned, the process continues as the second half of the child program.
 *
 * @module
 */

import { TextDecoder, TextEncoder } from "node:util";
import { closeSync, readSync, writeSync } from "node:fs";
import { process } from "./process.ts";
import { HOOK_FAILED, type HookFailure } from "./child_program/protocol.ts";
import type { HookNumbers, HookStart } from "./child_program/hook_start.ts";

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
  /** The descriptors that the second half needs. */
  readonly keep: readonly number[];
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

/** Executes the file `image`, keeping some descriptors open. Returns only if it fails. */
export type Continue = (image: number, keep: readonly number[]) => { errno: number };

/** What each runtime does in its own way with descriptors and folders that it has inherited. */
export interface HookSystem {
  /** Reads up to as many bytes as fit, from an offset on. Returns the count. */
  read(fd: number, bytes: Uint8Array, at: number): number;
  /** Writes as much as it can. Returns the count. */
  write(fd: number, bytes: Uint8Array): number;
  close(fd: number): void;
  /** Returns the current folder; undefined if it cannot be known. */
  currentFolder(): string | undefined;
  /** Changes to the folder that is open as a descriptor. */
  enter(folder: number): void;
  setVariable(name: string, value: string): void;
}

/** The implementation by `node:fs`, for runtimes where it accepts inherited descriptors. */
export const nodeSystem: HookSystem = {
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

/**
 * Returns code that runs a hook, through `hookMain` of the module at `url`. Both modules are
 * literals in the code: Deno takes them for parts of the program then, which need no permission to
 * be read.
 */
export function hookCode(url: string, { module, ...numbers }: HookStart): string {
  const main = `import(${JSON.stringify(url)})`;
  const load = `() => import(${JSON.stringify(module)})`;
  return `${main}.then((m) => m.hookMain(${JSON.stringify(numbers)}, ${load}))`;
}

/** Runs the hook and continues. Reports to the parent and ends the process if either fails. */
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
  for (let at = 0; at < bytes.length;) at += system.write(numbers.status, bytes.subarray(at));
  process.exit(1);
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
