import { builderOf, type Command } from "../../core/command.ts";
import { freeze } from "../../core/command/builder.ts";
import type { Spec } from "../../core/command/spec.ts";

/** Returns the frozen spec of a command. Throws its first misuse. */
export function specOf(command: Command): Spec {
  return freeze(builderOf(command));
}
