/**
 * The life of a command: extra steps, a hook, the handshake, what its parent's end means, daemons.
 *
 * @module
 */

import { type Builder, displayValue, reasonOf } from "./builder.ts";
import { own } from "../own.ts";
import { runtimeNamed } from "./hook_runtime.ts";
import { isPaletteCall } from "./palette.ts";
import { signalNumber } from "../tables/signals.ts";
import { pathProblem } from "./stdio.ts";

/** How a hook is run. */
export interface PreExecOptions {
  /**
   * The path of the runtime that runs it, such as `/usr/bin/node`; its file is named after deno, bun
   * or node. Default: the variable `VIRCOMMAND_RUNTIME`, or else the runtime of this process.
   */
  readonly runtime?: string;
}

/** Adds extra system calls. */
export function addSteps(builder: Builder, calls: readonly unknown[]): void {
  for (const call of calls) {
    if (!isPaletteCall(call)) {
      builder.misuse("step: expected calls of the palette, such as syscalls.prctl(…)");
    } else if (builder.error === undefined) {
      builder.add("steps", call);
    }
  }
}

/** Sets the hook. */
export function setHook(
  builder: Builder,
  module: unknown,
  data: unknown,
  options: unknown = {},
): void {
  const text = jsonOf(builder, data ?? null);
  const runtime = runtimeOf(builder, options);
  if (builder.fields.preExec !== undefined) {
    builder.misuse("preExec: a hook was set before");
  } else if (isUrl(module)) {
    setHookOf(builder, module.href, text, runtime);
  } else if (pathProblem(module) !== undefined) {
    builder.misuse("preExec: expected a URL or a path");
  } else {
    setHookOf(builder, module as string, text, runtime);
  }
}

/** Reports whether a value is a URL, of any realm. */
function isUrl(value: unknown): value is URL {
  return value instanceof URL || Object.prototype.toString.call(value) === "[object URL]";
}

function setHookOf(
  builder: Builder,
  module: string,
  data: string | undefined,
  runtime: string | undefined,
): void {
  if (data === undefined) builder.misuse("preExec: the data is nothing that JSON can carry");
  else builder.set("preExec", { module, data, runtime });
}

/** The path of the runtime, if the options have one. */
function runtimeOf(builder: Builder, options: unknown): string | undefined {
  if (typeof options !== "object" || options === null) {
    builder.misuse("preExec: expected an object of options");
    return undefined;
  }
  const { runtime } = own(options as PreExecOptions);
  if (runtime === undefined) return undefined;
  const problem = pathProblem(runtime);
  if (problem !== undefined) {
    builder.misuse(`preExec: runtime: ${problem}`);
  } else if (!runtime.includes("/")) {
    builder.misuse("preExec: runtime: expected a path");
  } else if (runtimeNamed(runtime) === undefined) {
    builder.misuse("preExec: runtime: expected a file named after deno, bun or node");
  }
  return runtime;
}

/** The data as JSON. Its own `toJSON` may throw anything. */
function jsonOf(builder: Builder, data: unknown): string | undefined {
  try {
    return JSON.stringify(data);
  } catch (error) {
    builder.misuse(`preExec: the data is nothing that JSON can carry: ${reasonOf(error)}`);
    return undefined;
  }
}

/** Requires a handshake. */
export function setHandshake(builder: Builder): void {
  if (builder.fields.handshake) builder.misuse("handshake: it was asked for before");
  builder.set("handshake", true);
}

/** Sets the signal that the program gets when its parent ends. */
export function setParentDeathSignal(builder: Builder, signal: string | number): void {
  const number = signalNumber(signal);
  if (number === undefined || number === 0) {
    builder.misuse(`dieWithParent(${displayValue(signal)}): expected a signal`);
  } else {
    builder.set("dieWithParent", number);
  }
}

/** Sets the path of the pid file. */
export function setPidFile(builder: Builder, path: unknown): void {
  const problem = pathProblem(path);
  if (problem !== undefined) builder.misuse(`pidFile: ${problem}`);
  else builder.set("pidFile", path as string);
}
