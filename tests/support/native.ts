/**
 * The parts of the native driver, put together by hand: for tests that reach below the public API.
 *
 * @module
 */

import process from "node:process";
import type { Arch, SyscallName } from "../../backends/child_program/arch.ts";
import { aarch64 } from "../../backends/child_program/arch/aarch64.ts";
import { x86_64 } from "../../backends/child_program/arch/x86_64.ts";
import { Kernel } from "../../backends/native/kernel.ts";
import type { Libc } from "../../backends/native/libc.ts";
import { backendInfo } from "../../mod.ts";

/** The architectures that have an interpreter. */
export const ARCHES: readonly Arch[] = [x86_64, aarch64];

/** Why the native driver's parts cannot be used here, if they cannot. */
export function noNativeParts(): string | undefined {
  const { driver } = backendInfo();
  return driver === "native" ? undefined : `needs the native driver, and ${driver} serves`;
}

/** The kernel, through this runtime's FFI; or one without a call that there is. */
export async function openKernel(without?: SyscallName): Promise<Kernel> {
  const arch = process.arch === "arm64" ? aarch64 : x86_64;
  const libc = await openLibc();
  if (without === undefined) return new Kernel(libc, arch);
  const NO_CALL = 100_000;
  return new Kernel(libc, { ...arch, numbers: { ...arch.numbers, [without]: NO_CALL } });
}

/** libc, through this runtime's FFI. */
export async function openLibc(): Promise<Libc> {
  if ("Deno" in globalThis) return (await import("../../backends/deno/libc.ts")).denoLibc();
  if ("Bun" in globalThis) {
    const { bunFfi, bunLibc } = await import("../../backends/bun/libc.ts");
    const found = bunFfi();
    if (found === undefined) throw new Error("Bun has no FFI here");
    return bunLibc(found);
  }
  const { nodeFfi, nodeLibc } = await import("../../backends/node/libc.ts");
  const ffi = nodeFfi();
  if (ffi === undefined) throw new Error("Node has no FFI here");
  return nodeLibc(ffi);
}
