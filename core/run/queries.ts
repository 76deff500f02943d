/**
 * What can be asked of a command without running it.
 *
 * @module
 */

import { type Builder, displayValue, freeze } from "../command/builder.ts";
import { chosenBackend } from "./chosen_backend.ts";
import { StateError, UsageError } from "../errors.ts";
import { escaped } from "../text/escape.ts";
import { outputsOf } from "./launch.ts";
import { describe, displayParts, makePlan, resolveProgram } from "../plan/plan.ts";
import { type FormatOptions, plainCommand } from "../text/quote.ts";
import { resolveIds } from "../plan/identity.ts";
import { isFd, isWritableStream } from "../command/stdio.ts";
import type { Ids } from "../command/spec.ts";
import { web } from "../web.ts";

/** Returns the ids that the program would get. */
export function idsOf(builder: Builder): Ids {
  const unchanged = { uid: undefined, gid: undefined, groups: undefined };
  return resolveIds(builder.fields, chosenBackend().system) ?? unchanged;
}

/** Returns the file that would run. */
export function programOf(builder: Builder): string {
  return resolveProgram(freeze(builder), chosenBackend().system);
}

/** Returns the command as a shell would take it. */
export function textOf(builder: Builder, options: FormatOptions): string {
  return describe(freeze(builder), chosenBackend().system, options);
}

/** Returns the steps between clone and exec as lines of text. */
export function explain(builder: Builder): string {
  const spec = freeze(builder);
  const service = chosenBackend();
  const plan = makePlan(spec, service.system, outputsOf(spec, { mode: "run" }));
  return service.explain(plan).map(escaped).join("\n");
}

/** Writes the command on one line, unquoted. */
export async function writeArgLog(
  builder: Builder,
  target: number | WritableStream<Uint8Array>,
): Promise<void> {
  const spec = freeze(builder);
  const service = chosenBackend();
  const parts = displayParts(spec, service.system);
  const bytes = new web.TextEncoder().encode(`${escaped(plainCommand(parts))}\n`);
  if (isFd(target)) return service.writeFd(target, bytes);
  if (!isWritableStream(target)) {
    const given = displayValue(target);
    throw new UsageError(`writeArgLog(${given}): expected a descriptor or a WritableStream`);
  }
  if (target.locked) throw new StateError("writeArgLog: the WritableStream has a writer already");
  const writer = target.getWriter();
  try {
    await writer.write(bytes);
  } finally {
    writer.releaseLock();
  }
}
