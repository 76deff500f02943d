/**
 * Results of programs that never ran.
 *
 * @module
 */

import { Result, type ResultFields } from "../../core/result/result.ts";
import { decodeStatus } from "../../core/result/status.ts";

/** A result that ended with a raw status and wrote some text. */
export function resultOf(
  { raw = 0, stdout = "", stderr = "", ...fields }:
    & { raw?: number; stdout?: string; stderr?: string }
    & Partial<ResultFields>,
): Result {
  const encoder = new TextEncoder();
  return new Result({
    command: "true",
    argv: ["true"],
    pid: 4242,
    status: decodeStatus(raw),
    stdoutBytes: encoder.encode(stdout),
    stderrBytes: encoder.encode(stderr),
    durationMs: 1,
    usage: { userMs: 0, systemMs: 0, maxRssBytes: 0 },
    timedOut: false,
    drained: true,
    daemonPid: undefined,
    ...fields,
  });
}
