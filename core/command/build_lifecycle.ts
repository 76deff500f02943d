/**
 * The life of a command: extra steps, a hook, the handshake, what its parent's end means, daemons.
 *
 * @module
 */

import { type Builder, displayValue, reasonOf } from "./builder.ts";
import { isPaletteCall } from "./palette.ts";
import { signalNumber } from "../tables/signals.ts";
import { pathProblem } from "./stdio.ts";

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
export function setHook(builder: Builder, module: unknown, data: unknown): void {
  const text = jsonOf(builder, data ?? null);
  if (builder.fields.preExec !== undefined) {
    builder.misuse("preExec: a hook was set before");
  } else if (module instanceof URL) {
    setHookOf(builder, module.href, text);
  } else if (pathProblem(module) !== undefined) {
    builder.misuse("preExec: expected a URL or a path");
  } else {
    setHookOf(builder, module as string, text);
  }
}

function setHookOf(builder: Builder, module: string, data: string | undefined): void {
  if (data === undefined) builder.misuse("preExec: the data is nothing that JSON can carry");
  else builder.set("preExec", { module, data });
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
