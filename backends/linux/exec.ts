/**
 * exec in place: this very process becomes the program. The steps are made here instead of in a
 * child, so they are made last and as few as possible: what can be checked beforehand is.
 *
 * @module
 */

import { SpawnError } from "../../core/errors.ts";
import type { Plan } from "../../core/plan.ts";
import { layout } from "../../core/descriptors.ts";
import { ignoredIn } from "../posix/signals.ts";
import { spawnError } from "./failure.ts";
import { textOf } from "./files.ts";
import type { Kernel } from "./kernel.ts";
import { lower } from "./lower.ts";
import type { Starter } from "./starter.ts";

const SIG_DFL = 0;
const SIG_IGN = 1;
const ENOENT = 2;
const EACCES = 13;

/** Replaces this process. Returns only to throw. */
export function execInPlace(starter: Starter, plan: Plan): never {
  const { kernel, cloner, files } = starter;
  refuseBeforehand(starter, plan);
  const wiring = starter.wire(plan);
  try {
    for (const { fd } of wiring.takeParentEnds()) kernel.close(fd);
    const { moves } = layout(wiring.mappings);
    // What the command does not name keeps its own close-on-exec flag.
    const named = moves.filter((move) => move.kind !== "closeRange");
    const steps = plan.steps.filter(({ step }) => step !== "signals");
    const program = lower(steps, { moves: named, free: () => [] });
    // exec resets handlers by itself; only what is ignored stays ignored.
    const ignored = ignoredIn(textOf(kernel, "/proc/self/status") ?? "");
    for (const signal of ignored) setDisposition(kernel, signal, SIG_DFL);
    const failed = cloner.runHere(program);
    for (const signal of ignored) setDisposition(kernel, signal, SIG_IGN);
    if (failed === undefined) throw new Error("execve(2) returned without an error");
    throw spawnError(failed.call, failed.errno, plan.command, files);
  } finally {
    wiring.close();
  }
}

/** A program that is not there is found out while this process is still whole. */
function refuseBeforehand({ files }: Starter, plan: Plan): void {
  const { path } = plan.exec;
  const access = files.access(path);
  if (access === "ok") return;
  throw new SpawnError({
    step: "exec",
    syscall: "execve",
    args: [JSON.stringify(path)],
    errno: access === "EACCES" ? EACCES : ENOENT,
    path,
    command: plan.command,
  });
}

function setDisposition(kernel: Kernel, signal: number, handler: number): void {
  kernel.bytes.fill(0, 0, 32);
  kernel.view.setBigUint64(0, BigInt(handler), true);
  kernel.raw("rt_sigaction", signal, kernel.scratch, 0, 8);
}
