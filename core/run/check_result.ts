/**
 * Turns the end of a program into a result, or into an error.
 *
 * @module
 */

import type { CommandError } from "../errors.ts";
import { AbortError, ExitError, MaxBufferError, TimeoutError } from "../result_errors.ts";
import type { Exit } from "../backend.ts";
import type { CheckedOptions } from "../command/options.ts";
import type { MaskedCommand } from "../plan/plan.ts";
import { type Result, UNKNOWN_USAGE } from "../result/result.ts";
import { decodeStatus, STILL_RUNNING } from "../result/status.ts";
import { maskSecrets } from "../text/secret.ts";
import type { Spec } from "../command/spec.ts";

/** Why we killed the child, if we did. */
export type KillReason =
  | { readonly why: "timeout"; readonly timeout: number }
  | { readonly why: "abort"; readonly reason: unknown }
  | { readonly why: "overflow"; readonly stream: string; readonly limit: number }
  | { readonly why: "input" };

/** What `checkResult` needs besides the result. */
export interface CheckContext {
  readonly spec: Spec;
  readonly plan: MaskedCommand;
  readonly killReason: KillReason | undefined;
  /** Why the program cannot be ended and still runs, if that is so. */
  readonly refusal?: CommandError | undefined;
}

/** The most of standard error that an error message quotes, in characters. */
const QUOTED = 2000;

/** Returns the fields of a result that come from the exit; undefined: the program still runs. */
export function exitFields(exit: Exit | undefined): Pick<Result, "status" | "usage"> {
  return exit === undefined
    ? { status: STILL_RUNNING, usage: UNKNOWN_USAGE }
    : { status: decodeStatus(exit.raw), usage: exit.usage };
}

/** Returns the result, or throws the error that it means. */
export function checkResult(
  result: Result,
  options: CheckedOptions,
  { spec, plan, killReason, refusal }: CheckContext,
): Result {
  const { code, signal } = result.status;
  // A daemon's program has not ended: `okCodes` does not apply to it.
  const runs = result.daemonPid !== undefined && code === 0;
  const isRight = runs || (code !== null && options.okCodes.includes(code));
  const isAccepted = !options.check || isRight;
  if (isAccepted && killReason === undefined) return result;
  const { command } = plan;
  const still = refusal === undefined ? "" : `, and cannot be ended (${refusal.message})`;
  const cause = refusal === undefined ? {} : { cause: refusal };
  if (killReason?.why === "abort") {
    const details = { command, cause: killReason.reason, result, killError: refusal };
    throw new AbortError(`aborted${still}: ${command}`, details);
  }
  if (killReason?.why === "overflow") {
    const what = `${killReason.stream} exceeded maxBuffer (${killReason.limit} bytes)`;
    throw new MaxBufferError(`${what}${still}: ${command}`, result, { command, ...cause });
  }
  if (!options.check && refusal === undefined) return result;
  if (killReason?.why === "timeout") {
    const message = `timed out after ${killReason.timeout} ms${still}: ${command}`;
    throw new TimeoutError(message, result, { command, ...cause });
  }
  if (refusal !== undefined) throw refusal;
  if (isAccepted) return result;
  const what = code === null ? `killed by ${signal}` : `exit status ${code}`;
  // Masked before it is cut: a part of a secret would not be found.
  const output = tail(maskSecrets(result.stderr, spec.secrets));
  throw new ExitError(`${what}: ${command}`, result, { command, output });
}

/** The end of what was written to standard error; undefined if nothing was. */
function tail(text: string): string | undefined {
  const trimmed = text.trimEnd();
  if (trimmed === "") return undefined;
  return trimmed.length > QUOTED ? `…${trimmed.slice(-QUOTED)}` : trimmed;
}
