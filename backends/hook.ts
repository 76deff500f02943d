/**
 * The inside of a hook: what the runtime does that was executed anew, in the child, to run a
 * `preExec` module. It has the child's pid, its descriptors and the parent's rights. When the hook
 * has returned, the process goes on as the second half of the child program.
 *
 * @module
 */

import { closeSync, openSync, readSync, writeSync } from "node:fs";
import process from "node:process";
import { HOOK_FAILED, type HookFailure } from "./linux/control.ts";

/** Where the runtime finds what the hook is to know. */
export interface HookNumbers {
  readonly image: number;
  readonly tell: number;
  readonly at: number;
  readonly length: number;
}

/** What the parent has left for the hook. */
interface HookNote {
  readonly module: string;
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

/** Code that runs a hook, by way of `hookMain` of the module at `url`. */
export function hookCode(url: string, numbers: HookNumbers): string {
  return `import(${JSON.stringify(url)}).then((m) => m.hookMain(${JSON.stringify(numbers)}))`;
}

/** Runs the hook and continues; ends the process if either fails. */
export async function runHook(numbers: HookNumbers, go: Continue): Promise<void> {
  const note = readNote(numbers);
  const failure = await callHook(note) ?? continueWith(note, numbers, go);
  const report = new TextEncoder().encode(JSON.stringify(failure));
  writeAll(numbers.tell, Uint8Array.from([HOOK_FAILED, ...report]));
  process.exit(1);
}

function readNote({ image, at, length }: HookNumbers): HookNote {
  const bytes = new Uint8Array(length);
  const file = openSync(inherited(image), "r");
  let got = 0;
  while (got < length) got += readSync(file, bytes, got, length - got, at + got);
  closeSync(file);
  return JSON.parse(new TextDecoder().decode(bytes)) as HookNote;
}

/** A socket cannot be opened by name; and Deno writes only to what it has opened. */
function writeAll(fd: number, bytes: Uint8Array): void {
  const own = "Deno" in globalThis ? openSync(inherited(fd), "w") : fd;
  for (let at = 0; at < bytes.length;) at += writeSync(own, bytes, at);
}

/** Deno's node:fs knows only descriptors that it has opened itself; all know this path. */
function inherited(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

async function callHook(note: HookNote): Promise<HookFailure | undefined> {
  try {
    const module = await import(note.module) as Record<string, unknown>;
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
