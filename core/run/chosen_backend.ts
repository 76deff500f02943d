/**
 * The backends of this process, for everything in core that needs one. No other module of core asks
 * for a backend: the first request makes it and runs its self test, so it must come from a run or a
 * query, and never from a method that builds a command.
 *
 * @module
 */

import { type Backend, backend } from "../backend.ts";
import type { DriverName } from "../drivers.ts";

/** Returns the backend with this driver; without a driver, the one of this process. */
export function chosenBackend(driver?: DriverName): Backend {
  return backend(driver);
}
