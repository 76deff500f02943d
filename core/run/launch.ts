/**
 * From a builder to a child: freeze, check, plan, start. Afterwards, the descriptors of `closeParent`
 * are closed, whether or not the start succeeds.
 *
 * @module
 */

import { performance } from "../clock.ts";
import type { Backend, SyncOutcome, Verb } from "../backend.ts";
import { chosenBackend } from "./chosen_backend.ts";
import { Child, killAndClose, type Started } from "./child.ts";
import { currentDryRun, dryProcess, type DryRun, drySync } from "./dry_run.ts";
import { type Builder, freeze } from "../command/builder.ts";
import { StateError, UsageError } from "../errors.ts";
import { AbortError } from "../result_errors.ts";
import { checkResult, exitFields, type KillReason } from "./check_result.ts";
import { type CheckedOptions, checkOptions, limitOf, type RunOptions } from "../command/options.ts";
import type { Streams } from "../plan/child_setup.ts";
import { guarded, own, shielded } from "../own.ts";
import {
  displayArgv,
  makePlan,
  type MaskedCommand,
  maskedCommandOf,
  type Plan,
} from "../plan/plan.ts";
import { Result } from "../result/result.ts";
import { checkRules, type Mode } from "../command/rules.ts";
import type { Spec } from "../command/spec.ts";
import { claim, type Claims } from "./claims.ts";
import { keepListener, watch } from "./watch.ts";
import { bytesIn, type Chunk, type OutputForm } from "../command/stdio.ts";
import { codeOf } from "../error_code.ts";
import { concat } from "../bytes.ts";
import { web } from "../web.ts";

/** How a command is started. */
export interface LaunchMode {
  /** `run`: the caller waits for the end. `spawn`: it gets the child. */
  readonly mode: "run" | "spawn";
  /** Where standard output goes if it is not set. Default: depends on the mode. */
  readonly stdout?: "pipe" | undefined;
  /** The method that reads standard output piece by piece: `lines`, `runRegex`, `runNul`. */
  readonly reader?: string | undefined;
}

/** Starts a command. */
export async function launch(
  builder: Builder,
  options: RunOptions,
  given: LaunchMode,
): Promise<Child> {
  const how = guarded(given);
  const since = performance.now();
  const { closedFds } = builder.fields;
  const fdsToClose = takeFdsToClose(builder);
  let removeListener = () => {};
  try {
    const { spec, checked } = prepare(builder, closedFds, how.mode, options);
    // The start and the child listen one after the other.
    removeListener = keepListener(checked.signal);
    requireReadable(spec, how.reader);
    const outputs = outputsOf(spec, how);
    const claims = claim(spec, outputs);
    const { plan, process, killReason } = await startOrAnswer(spec, checked, outputs, claims);
    try {
      return new Child({
        plan,
        process,
        killReason,
        spec,
        options: checked,
        outputs,
        claims,
        since,
      });
    } catch (error) {
      claims.release();
      await killAndClose(process);
      throw error;
    }
  } finally {
    removeListener();
    closeFds(fdsToClose);
  }
}

/** Starts the process, or lets a dry run answer. */
async function startOrAnswer(
  spec: Spec,
  checked: CheckedOptions,
  outputs: Started["outputs"],
  claims: Claims,
): Promise<Start> {
  try {
    const dry = currentDryRun();
    return dry === undefined
      ? await start(spec, checked, outputs)
      : await startDry(dry, spec, checked);
  } catch (error) {
    claims.release();
    throw error;
  }
}

/** Throws if standard output does not go to the method that reads it. */
function requireReadable({ stdout, grouping }: Spec, reader: string | undefined): void {
  if (reader === undefined) return;
  if (grouping?.kind === "daemon") {
    throw new UsageError(`${reader}: the output of a daemon cannot be read: use a file`);
  }
  if (stdout === undefined || stdout.kind === "capture" || stdout.kind === "pipe") return;
  throw new UsageError(`${reader}: it reads standard output, which stdout() has sent elsewhere`);
}

/** A started process, or the answer of a dry run. */
type Start = Pick<Started, "plan" | "process" | "killReason">;

async function startDry(dry: DryRun, spec: Spec, checked: CheckedOptions): Promise<Start> {
  const plan = maskedCommandOf(spec, chosenBackend(checked.driver).system);
  refuseAborted(plan, checked);
  return { plan, process: await dryProcess(dry, spec), killReason: undefined };
}

/** Makes a plan that the driver can carry out. Throws an UnsupportedError if it cannot. */
function checkedPlan(
  service: Backend,
  spec: Spec,
  streams: Partial<Streams>,
  verb: Verb,
): Plan {
  const plan = makePlan(spec, service.system, streams);
  service.check(plan, verb);
  return plan;
}

/**
 * Starts the process. A hook, a handshake or a slow file system may take any time, so the time limit
 * and the signal already apply here.
 */
async function start(
  spec: Spec,
  checked: CheckedOptions,
  outputs: Started["outputs"],
): Promise<Start> {
  const service = chosenBackend(checked.driver);
  const plan = shielded(() => checkedPlan(service, spec, outputs, "start"));
  refuseAborted(plan, checked);
  if (limitOf(checked.timeout) === undefined && checked.signal === undefined) {
    return { plan, process: await service.start(plan), killReason: undefined };
  }
  const cancel = new AbortController();
  let killReason: KillReason | undefined;
  const stopWatching = watch(checked, (reason) => {
    killReason ??= reason;
    cancel.abort();
  }, { ref: true });
  try {
    const process = await service.start(plan, cancel.signal);
    // A daemon that runs reached its program before it could be killed.
    return { plan, process, killReason: process.daemonPid === undefined ? killReason : undefined };
  } finally {
    stopWatching();
  }
}

/** Runs a command to its end without the event loop. */
export function runSynchronously(builder: Builder, options: RunOptions): Result {
  const since = performance.now();
  const { closedFds } = builder.fields;
  const fdsToClose = takeFdsToClose(builder);
  try {
    const { spec, checked } = prepare(builder, closedFds, "runSync", options);
    if (checked.signal !== undefined) {
      throw new UsageError("runSync: an AbortSignal cannot fire while the event loop is blocked");
    }
    const { plan, outcome } = runOrAnswer(spec, checked);
    return checkResult(syncResult({ spec, plan }, outcome, since), checked, {
      spec,
      plan,
      killReason: syncKillReason(outcome, checked),
      refusal: outcome.refusal,
    });
  } finally {
    closeFds(fdsToClose);
  }
}

/** Runs a spec, or lets a dry run answer. */
function runOrAnswer(
  spec: Spec,
  checked: CheckedOptions,
): { readonly plan: MaskedCommand; readonly outcome: SyncOutcome } {
  const outputs = outputsOf(spec, { mode: "run" });
  const input = inputBytes(spec);
  const dry = currentDryRun();
  const service = chosenBackend(checked.driver);
  if (dry !== undefined) {
    const plan = maskedCommandOf(spec, service.system);
    return { plan, outcome: own(drySync(dry, spec, input)) };
  }
  const plan = shielded(() => checkedPlan(service, spec, outputs, "runSync"));
  const buffers = spec.buffers.map(({ bytes }) => bytes);
  const run = { ...checked, timeout: limitOf(checked.timeout), input, buffers };
  return { plan, outcome: own(shielded(() => service.runSync(plan, run))) };
}

/** Replaces this process by the program. Returns only to throw. */
export function execute(builder: Builder): never {
  const { spec } = prepare(builder, builder.fields.closedFds, "exec");
  const inherit = { kind: "inherit" } as const;
  const { stdin = inherit, stdout = inherit, stderr = inherit } = spec;
  const service = chosenBackend();
  return service.exec(checkedPlan(service, spec, { stdin, stdout, stderr }, "exec"));
}

/** Returns where the outputs go, including those that are not set. */
export function outputsOf(
  spec: Spec,
  mode: LaunchMode,
): { stdout: OutputForm; stderr: OutputForm } {
  const { stdout: piped } = guarded(mode);
  const captures = mode.mode === "run" && spec.grouping?.kind !== "daemon";
  const unset = captures ? "capture" : "null";
  return {
    stdout: spec.stdout === undefined || spec.stdout.kind === "capture"
      ? { kind: piped ?? spec.stdout?.kind ?? unset }
      : spec.stdout,
    stderr: spec.stderr ?? { kind: unset },
  };
}

/** Freezes and checks a command and its options. */
function prepare(
  builder: Builder,
  closedFds: readonly number[],
  mode: Mode,
  options: RunOptions = {},
): { spec: Spec; checked: CheckedOptions } {
  const spec = freeze(builder);
  checkRules(spec, mode);
  requireOpen(spec, closedFds);
  return { spec, checked: checkOptions(options) };
}

function requireOpen(spec: Spec, closedFds: readonly number[]): void {
  for (const { fd } of spec.passed) {
    if (!closedFds.includes(fd)) continue;
    throw new StateError(`passFd(${fd}): closeParent closed it when the command was first run`);
  }
}

function refuseAborted(plan: MaskedCommand, { signal }: CheckedOptions): void {
  if (signal?.aborted !== true) return;
  const { command } = plan;
  throw new AbortError(`aborted before the start: ${command}`, { command, cause: signal.reason });
}

const NO_FDS: readonly number[] = [];

/** Takes the descriptors that this run closes. From here on, no other run may pass them. */
function takeFdsToClose(builder: Builder): Iterable<number> {
  const { fdsToClose, closedFds } = builder.fields;
  if (fdsToClose.length === 0) return NO_FDS;
  const fds = new Set(fdsToClose);
  builder.set("fdsToClose", []);
  builder.set("closedFds", [...closedFds, ...fds]);
  return fds;
}

/** Closes descriptors. For one that is not open, the start has already failed with an error. */
function closeFds(fds: Iterable<number>): void {
  for (const fd of fds) {
    try {
      chosenBackend().closeFd(fd);
    } catch (error) {
      if (codeOf(error) !== "EBADF") throw error;
    }
  }
}

function inputBytes(spec: Spec): Uint8Array | undefined {
  const form = spec.stdin;
  if (form?.kind === "bytes") return form.bytes;
  if (form?.kind !== "stream") return undefined;
  if (!(Symbol.iterator in form.source)) {
    throw new UsageError("runSync: stdin cannot be an asynchronous stream");
  }
  const encoder = new web.TextEncoder();
  const pieces = Array.from(form.source as Iterable<Chunk>, (piece) => bytesIn(piece, encoder));
  return concat(pieces);
}

function syncResult(
  { spec, plan }: { spec: Spec; plan: MaskedCommand },
  outcome: SyncOutcome,
  since: number,
): Result {
  return new Result({
    command: plan.command,
    argv: displayArgv(spec),
    pid: outcome.pid,
    ...exitFields(outcome.exit),
    stdoutBytes: outcome.stdout,
    stderrBytes: outcome.stderr,
    durationMs: performance.now() - since,
    timedOut: outcome.timedOut,
    drained: outcome.drained,
    daemonPid: outcome.daemonPid,
  });
}

function syncKillReason(outcome: SyncOutcome, options: CheckedOptions): KillReason | undefined {
  if (outcome.overflowed !== undefined) {
    return { why: "overflow", stream: outcome.overflowed, limit: options.maxBuffer };
  }
  return outcome.timedOut ? { why: "timeout", timeout: options.timeout ?? 0 } : undefined;
}
