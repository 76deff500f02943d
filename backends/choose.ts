/**
 * The choice of a driver: the first one that works, found by trying.
 *
 * @module
 */

import { isError } from "../core/error_code.ts";
import type { Backend } from "../core/backend.ts";
import { type DriverName, DRIVERS } from "../core/drivers.ts";
import { UnsupportedError, UsageError } from "../core/errors.ts";
import { isOutOfDescriptors } from "./posix/files.ts";

/**
 * Makes each driver, with the reason for its choice. A function throws if its driver cannot work
 * here.
 */
export type DriverMakers = Partial<Record<DriverName, (reason: string) => Backend>>;

/**
 * Returns the driver `asked` for, else the one that the environment `variable` names, else the
 * first one in the order of {@linkcode DRIVERS} that works.
 */
export function choose(
  makers: DriverMakers,
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
      // This error will pass. It must not decide on the driver for the life of the process.
      if (isOutOfDescriptors(error)) throw error;
      // Whatever the system or the runtime refuses: the next driver may work without it.
      first ??= error;
      refusals.push(`no ${name} driver: ${isError(error) ? error.message : String(error)}`);
    }
  }
  throw first ?? new Error("a runtime without drivers");
}

/** Makes a driver, or throws an UnsupportedError that says why it cannot work here. */
function forced(makers: DriverMakers, name: DriverName, reason: string): Backend {
  const make = Object.hasOwn(makers, name) ? makers[name] : undefined;
  if (make === undefined) {
    throw new UnsupportedError({
      feature: "starting programs",
      driver: name,
      reason: "this runtime has no such driver",
      remedy: `use one of: ${Object.keys(makers).join(", ")}`,
    });
  }
  try {
    return make(reason);
  } catch (cause) {
    if (cause instanceof UnsupportedError || isOutOfDescriptors(cause)) throw cause;
    throw new UnsupportedError({
      feature: "starting programs",
      driver: name,
      reason: cause instanceof Error ? cause.message : String(cause),
      remedy: "use another driver",
      cause,
    });
  }
}
