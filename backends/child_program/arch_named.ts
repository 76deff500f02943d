/**
 * Which architecture this is.
 *
 * @module
 */

import type { DriverName } from "../../core/drivers.ts";
import { UnsupportedError } from "../../core/errors.ts";
import { aarch64 } from "./arch/aarch64.ts";
import { x86_64 } from "./arch/x86_64.ts";
import type { Arch } from "./arch.ts";

/** The architectures that child programs are written for. */
const ARCHES: readonly Arch[] = [x86_64, aarch64];

const ALIASES: Readonly<Record<string, string>> = { x64: "x86_64", arm64: "aarch64" };

/** The name of an architecture as Linux has it. */
export function archName(name: string): string {
  return ALIASES[name] ?? name;
}

/** The architecture by its name, if there is an interpreter for it. */
export function archNamed(name: string): Arch | undefined {
  return ARCHES.find((arch) => arch.name === archName(name));
}

/** The architecture of a runtime on a platform; throws an UnsupportedError if there is none. */
export function requireArch(driver: DriverName, platform: string, name: string): Arch {
  const arch = platform === "linux" ? archNamed(name) : undefined;
  if (arch !== undefined) return arch;
  throw new UnsupportedError({
    feature: "child programs",
    driver,
    reason: `this is ${platform} on ${name}`,
    remedy: "use Linux on x86-64 or aarch64",
  });
}
