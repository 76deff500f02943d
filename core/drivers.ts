/**
 * The drivers by their names.
 *
 * @module
 */

/** The name of a driver. */
export type DriverName = "native" | "launcher" | "portable";

/** The drivers, the most able one first. */
export const DRIVERS: readonly DriverName[] = ["native", "launcher", "portable"];
