/**
 * Captured output as a value.
 *
 * @module
 */

import { ResultError } from "../result_errors.ts";
import type { Result } from "../result/result.ts";
import { escaped } from "../text/escape.ts";
import { maskSecrets } from "../text/secret.ts";

/** Parses the standard output as JSON. Throws a ResultError if it is not JSON. */
export function jsonOf<T>(result: Result, secrets: readonly string[]): T {
  try {
    return JSON.parse(result.stdout) as T;
  } catch (error) {
    // The message of the parser quotes the output, which may contain a secret.
    const { message } = error as SyntaxError;
    const cause = new SyntaxError(escaped(maskSecrets(message, secrets)));
    const { command } = result;
    const what = `the output is not JSON: ${cause.message}: ${command}`;
    throw new ResultError(what, result, { command, cause });
  }
}
