/**
 * What cannot be combined. Checked before each run.
 *
 * @module
 */

import { UsageError } from "../errors.ts";
import type { Spec } from "./spec.ts";
import type { OutputForm, StdinForm } from "./stdio.ts";

/** How a command is about to be run. */
export type Mode = "run" | "spawn" | "runSync" | "exec";

/** The forms of streams whose other end is in the parent. */
const NEEDS_PARENT: readonly (StdinForm | OutputForm)["kind"][] = [
  "pipe",
  "bytes",
  "stream",
  "capture",
];

const STREAMS = ["stdin", "stdout", "stderr"] as const;

/** Throws a UsageError if the command cannot be run this way. */
export function checkRules(spec: Spec, mode: Mode): void {
  const daemon = spec.grouping?.kind === "daemon";
  for (const name of STREAMS) {
    const form = spec[name];
    if (form === undefined) continue;
    // Nobody could use its other end, and the program would wait for ever.
    if (form.kind === "pipe" && mode !== "spawn") {
      throw new UsageError(
        `${name}("pipe") needs spawn(): ${mode}() does not return its other end`,
      );
    }
    if (daemon && NEEDS_PARENT.includes(form.kind)) {
      throw new UsageError(
        `daemonize: ${name} of a daemon cannot be connected to this process: use a file, a descriptor or null`,
      );
    }
    if (mode === "exec" && NEEDS_PARENT.includes(form.kind)) {
      throw new UsageError(
        `exec: ${name} cannot be connected to this process, which is replaced: use a file or a descriptor`,
      );
    }
    if (mode === "runSync" && form.kind === "stream" && name !== "stdin") {
      throw new UsageError(`runSync: ${name} cannot be a stream`);
    }
  }
  if (daemon && spec.cwd !== undefined) {
    throw new UsageError("daemonize: a daemon works in /, it cannot have a cwd");
  }
  if (daemon && spec.dieWithParent !== undefined) {
    throw new UsageError("dieWithParent: a daemon has no parent to die with");
  }
  if (spec.pidFile !== undefined && !daemon) {
    throw new UsageError("pidFile: only a daemon has one: add daemonize()");
  }
  if (spec.handshake && mode !== "spawn") {
    throw new UsageError(`handshake: ${mode}() would wait for itself: use spawn()`);
  }
  if (mode === "exec" && (daemon || spec.buffers.length > 0 || spec.preExec !== undefined)) {
    throw new UsageError("exec: daemonize, sendBuffer and preExec need a parent that stays");
  }
}
