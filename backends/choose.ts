/**
 * The choice of a driver: the first one that can be had, by trying, never by a version number.
 *
 * @module
 */

import { type Backend, type DriverName, DRIVERS } from "../core/backend.ts";
import { UnsupportedError, UsageError } from "../core/errors.ts";

/** How drivers are made; each throws an UnsupportedError if it cannot serve here. */
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
  const refusals: UnsupportedError[] = [];
  for (const name of DRIVERS) {
    const make = makers[name];
    if (make === undefined) continue;
    const before = refusals.map(({ driver, message }) => `no ${driver} driver: ${message}`);
    try {
      return make(before.length === 0 ? "it has all features" : before.join("; "));
    } catch (error) {
      if (!(error instanceof UnsupportedError)) throw error;
      refusals.push(error);
    }
  }
  throw refusals[0] ?? new Error("a runtime without drivers");
}

function forced(makers: Makers, name: DriverName, reason: string): Backend {
  const make = makers[name];
  if (make !== undefined) return make(reason);
  throw new UnsupportedError({
    feature: "starting programs",
    driver: name,
    reason: "this runtime has no such driver",
    remedy: `use one of: ${Object.keys(makers).join(", ")}`,
  });
}
