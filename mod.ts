/**
 * Start programs the way a careful systems engineer would: no shell, argument lists, an
 * environment and descriptors that hold only what was chosen, and exact errors.
 *
 * @example
 * ```ts
 * import { Command } from "@vircommand/vircommand";
 *
 * const cmd = new Command("uname", "-s").envPassCommon().cwd("/").umask(0o027);
 * console.log(cmd.toString());
 * console.log((await cmd.run()).stdout);
 * ```
 *
 * The rest of the API hangs on {@linkcode Command}. The runtime's own way of starting processes
 * is chosen when it is first needed; {@linkcode backendInfo} reports which it is.
 *
 * @module
 */

import { guarded } from "./backends/border.ts";
import { createBackend } from "./backends/runtime.ts";
import { realClock } from "./backends/clock.ts";
import { webClass } from "./backends/web.ts";
import { backend, type BackendInfo, useBackend } from "./core/backend.ts";
import { useClock } from "./core/clock.ts";
import type { DriverName } from "./core/drivers.ts";
import { useWeb } from "./core/web.ts";

export { Command, run, runSync } from "./core/command.ts";
export { Child } from "./core/run/child.ts";
export { Result, type Status, type Usage } from "./core/result/result.ts";
export type { RunOptions } from "./core/command/options.ts";
export type { RegexOptions } from "./core/run/lines.ts";
export {
  CommandError,
  HandshakeError,
  KillError,
  PermissionError,
  SpawnError,
  StateError,
  SystemCallError,
  UnsupportedError,
  UsageError,
} from "./core/errors.ts";
export {
  AbortError,
  ExitError,
  MaxBufferError,
  ResultError,
  TimeoutError,
} from "./core/result_errors.ts";
export {
  type DryAnswer,
  type DryCall,
  type DryHandler,
  type DryRun,
  dryRun,
  type DryRunFunction,
} from "./core/run/dry_run.ts";
export { type ReapOptions, reapOrphans } from "./core/run/orphans.ts";
export { Secret, secret } from "./core/text/secret.ts";
export { quote } from "./core/command/quote.ts";
export { type SignalName, signals } from "./core/tables/signals.ts";
export { type LimitName, limits, type LimitValue } from "./core/tables/limits.ts";
export type { IoClass, SchedulerPolicy } from "./core/tables/scheduling.ts";
export { capabilities, type CapabilityName } from "./core/tables/capabilities.ts";
export * as syscalls from "./core/command/syscalls.ts";
export type { Flags, PaletteArgument, PaletteCall } from "./core/command/palette.ts";
export type { State } from "./core/run/lifecycle.ts";
export type { BackendInfo } from "./core/backend.ts";
export type { DriverName } from "./core/drivers.ts";
export type { FormatOptions } from "./core/text/quote.ts";
export type {
  Chunk,
  InputFile,
  OutputFile,
  StderrOutput,
  StdinInput,
  StdoutOutput,
} from "./core/command/stdio.ts";
export type { ErrorDetails, KillFailure, SpawnFailure, SystemCallFailure } from "./core/errors.ts";
export type { ResultFields } from "./core/result/result.ts";
export type { Ids } from "./core/command/spec.ts";
export type { Argument } from "./core/command/builder.ts";
export type { EnvPassOptions, EnvValue } from "./core/command/build_environment.ts";
export type { PassFdOptions } from "./core/command/build_descriptors.ts";
export type { PreExecOptions } from "./core/command/build_lifecycle.ts";

/**
 * Which runtime and driver start the programs, why this one, and what it can do. With a driver's
 * name: what that one can do here.
 *
 * @throws {UnsupportedError} That driver cannot be had here.
 *
 * @example
 * ```ts
 * import { backendInfo } from "@vircommand/vircommand";
 *
 * console.log(backendInfo().driver);
 * ```
 */
export function backendInfo(driver?: DriverName): BackendInfo {
  return backend(driver).info();
}

useWeb(webClass);
useClock(realClock);
useBackend((driver) => guarded(() => createBackend(driver)));
