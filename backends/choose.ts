/**
 * The choice of a driver: the first one that can be had, by trying, never by a version number.
 *
 * @module
 */

import type { Backend } from "../core/backend.ts";
import { type DriverName, DRIVERS } from "../core/drivers.ts";
import { UnsupportedError, UsageError } from "../core/errors.ts";
import { codeOf } from "../core/error_code.ts";

/** How drivers are made; each throws if it cannot serve here. */
export type Makers = Partial<Record<DriverName, (reason: string) => Backend>>;

/** The drivers, the most able one first, and why it is this one that serves. */
export function choose(
  makers: Makers,
  asked: DriverName | undefined,
  variable: string | undefined,
): Backend {
  if (asked !== undefined) return forced(makers, asked, "this driver was asked for");
  if (variable !== undefined && variable !== "") {
    if (!DRIVERS.includes(variable as DriverName)) {
      throw new UsageError(`VIRCOMMAND_DRIVER: expected ${DRIVERS.join(", ")}, not ${variable}`);
    }
    return forced(makers, variable as DriverName, `VIRCOMMAND_DRIVER=${variable}`);
  }
  const refusals: string[] = [];
  let first: unknown;
  for (const name of DRIVERS) {
    const make = makers[name];
    if (make === undefined) continue;
    try {
      return make(refusals.length === 0 ? "it has all features" : refusals.join("; "));
    } catch (error) {
      // That will pass, and must not decide on the driver for the rest of the process's life.
      if (isOutOfDescriptors(error)) throw error;
      // Whatever a system or a runtime refuses, and however: the next driver may do without it.
      first ??= error;
      refusals.push(`no ${name} driver: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw first ?? new Error("a runtime without drivers");
}

/** Whether there are too many open files, in this process or at all, for the moment. */
function isOutOfDescriptors(error: unknown): boolean {
  const code = codeOf(error);
  return code === "EMFILE" || code === "ENFILE";
}

function forced(makers: Makers, name: DriverName, reason: string): Backend {
  const make = Object.hasOwn(makers, name) ? makers[name] : undefined;
  if (make !== undefined) return make(reason);
  throw new UnsupportedError({
    feature: "starting programs",
    driver: name,
    reason: "this runtime has no such driver",
    remedy: `use one of: ${Object.keys(makers).join(", ")}`,
  });
}
