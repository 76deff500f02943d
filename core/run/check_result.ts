/**
 * Whether a result is what was asked for: the one place where a bad end becomes an error.
 *
 * @module
 */

import {
  AbortError,
  type CommandError,
  ExitError,
  MaxBufferError,
  TimeoutError,
} from "../errors.ts";
import type { CheckedOptions } from "../command/options.ts";
import type { MaskedCommand } from "../plan/plan.ts";
import type { Result } from "../result/result.ts";
import { maskSecrets } from "../text/secret.ts";
import type { Spec } from "../command/spec.ts";

/** Why we killed the child, if we did. */
export type KillReason =
  | { readonly why: "timeout"; readonly timeout: number }
  | { readonly why: "abort"; readonly reason: unknown }
  | { readonly why: "overflow"; readonly stream: string; readonly limit: number }
  | { readonly why: "input" };

/** What a judgement looks at besides the result. */
export interface CheckContext {
  readonly spec: Spec;
  readonly plan: MaskedCommand;
  readonly killReason: KillReason | undefined;
  /** Why the program could not be ended and is still running, if that is so. */
  readonly refusal?: CommandError | undefined;
}

/** The most of standard error that an error message quotes, in characters. */
const QUOTED = 2000;

/** Returns the result, or throws what is wrong with it. */
export function checkResult(
  result: Result,
  options: CheckedOptions,
  { spec, plan, killReason, refusal }: CheckContext,
): Result {
  const { code, signal } = result.status;
  // The codes are those of a program that has ended, and a daemon's has not.
  const runs = result.daemonPid !== undefined && code === 0;
  const isRight = runs || (code !== null && options.okCodes.includes(code));
  const asked = !options.check || isRight;
  if (asked && killReason === undefined) return result;
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
  if (asked) return result;
  const what = code === null ? `killed by ${signal}` : `exit status ${code}`;
  // Masked as a whole: what is left of a secret that the cut goes through would not be found.
  const output = tail(maskSecrets(result.stderr, spec.secrets));
  throw new ExitError(`${what}: ${command}`, result, { command, output });
}

/** The end of what was written to standard error; undefined if nothing was. */
function tail(text: string): string | undefined {
  const trimmed = text.trimEnd();
  if (trimmed === "") return undefined;
  return trimmed.length > QUOTED ? `…${trimmed.slice(-QUOTED)}` : trimmed;
}
