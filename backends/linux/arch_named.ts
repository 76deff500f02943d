/**
 * Which architecture this is.
 *
 * @module
 */

import { aarch64 } from "./arch/aarch64.ts";
import { x86_64 } from "./arch/x86_64.ts";
import type { Arch } from "./arch.ts";

/** The architectures that child programs are written for. */
const ARCHES: readonly Arch[] = [x86_64, aarch64];

/** The architecture by its name, if there is an interpreter for it. */
export function archNamed(name: string): Arch | undefined {
  const alias: Record<string, string> = { x64: "x86_64", arm64: "aarch64" };
  return ARCHES.find((arch) => arch.name === (alias[name] ?? name));
}
