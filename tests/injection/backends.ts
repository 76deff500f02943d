/**
 * Backends whose parts can be made to fail, put together as each runtime's folder does it.
 *
 * @module
 */

import process from "node:process";
import type { Backend } from "../../core/backend.ts";
import type { DriverName } from "../../core/drivers.ts";
import { guarded } from "../../backends/border.ts";
import { launcherBackend } from "../../backends/launcher/launcher.ts";
import { aarch64 } from "../../backends/child_program/arch/aarch64.ts";
import { x86_64 } from "../../backends/child_program/arch/x86_64.ts";
import type { Host } from "../../backends/spawner/host.ts";
import { nativeBackend } from "../../backends/native/native.ts";
import type { Spawner } from "../../backends/spawner/spawner.ts";
import { openLibc } from "../support/native.ts";
import { faultyHost, faultyLibc, faultySpawner } from "./faults.ts";

const REASON = "fault injection";

/** Makes the backend of a driver and hands it over; what closes it. */
export async function faultyBackend(
  driver: DriverName,
  use: (backend: Backend) => void,
): Promise<(() => void)[]> {
  const arch = process.arch === "arm64" ? aarch64 : x86_64;
  const closers: (() => void)[] = [];
  const host = faultyHost({
    ...await hostHere(),
    onThreadEnd: (action) => closers.push(action),
  });
  if (driver === "native") {
    const libc = faultyLibc(await openLibc(), arch);
    use(guarded(() => nativeBackend(host, libc, arch, { reason: REASON, stage: undefined })));
  } else if (driver === "launcher") {
    const spawner = faultySpawner(await spawnerHere());
    const hooks = { any: true, withPidFile: false };
    use(
      guarded(() => launcherBackend(host, arch, spawner, REASON, { hooks, execve: undefined })),
    );
  } else {
    throw new Error(`no faults are known for the ${driver} driver`);
  }
  return closers;
}

/** What the drivers need of this runtime. */
export async function hostHere(): Promise<Host> {
  if ("Deno" in globalThis) {
    return (await import("../../backends/deno/host.ts")).denoHost(() => undefined);
  }
  if ("Bun" in globalThis) return (await import("../../backends/bun/host.ts")).bunHost();
  return (await import("../../backends/node/host.ts")).nodeHost();
}

async function spawnerHere(): Promise<Spawner> {
  if ("Bun" in globalThis) return (await import("../../backends/bun/spawner.ts")).bunSpawner();
  return (await import("../../backends/spawner/child_process.ts")).childProcessSpawner();
}
