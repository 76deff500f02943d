/**
 * The launcher of the other architecture, under emulation: the same driver, with a spawner that
 * starts the emulator instead.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { Socket } from "node:net";
import { existsSync } from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { launcherFile } from "../../backends/launcher/boot.ts";
import { LauncherStarter } from "../../backends/launcher/starter.ts";
import { aarch64 } from "../../backends/child_program/arch/aarch64.ts";
import { x86_64 } from "../../backends/child_program/arch/x86_64.ts";
import type { Host } from "../../backends/spawner/host.ts";
import { socketSink, socketSource } from "../../backends/spawner/socket.ts";
import { systemOf } from "../../backends/posix/system.ts";
import { childProcessSpawner } from "../../backends/spawner/child_process.ts";
import type { Spawner } from "../../backends/spawner/spawner.ts";
import { specOf } from "../support/spec.ts";
import { outputsOf } from "../../core/run/launch.ts";
import { makePlan, type Plan } from "../../core/plan/plan.ts";
import { Command, SpawnError } from "../../mod.ts";
import { failure } from "../support/failures.ts";
import { noteSkip } from "../support/skips.ts";

const QEMU = "/usr/bin/qemu-aarch64-static";

const host: Host = {
  runtime: "test",
  version: "0",
  environment: () => ({ ...process.env }) as Record<string, string>,
  environmentIfAllowed: () => ({ ...process.env }) as Record<string, string>,
  variable: (name) => process.env[name],
  currentFolder: () => process.cwd(),
  lasting: true,
  closesFiles: true,
  hook: () => ({ path: "", isOwn: true, argv: () => [] }),
  source: (fd) => socketSource(Socket, fd),
  sink: (fd) => socketSink(Socket, fd),
  stopsListening: false,
  onSigchld: () => () => {},
};

/** The runtime's spawner, with the emulator before what is to be started. */
function emulated(): Spawner {
  const own = childProcessSpawner();
  return {
    spawn: (request) =>
      own.spawn({ ...request, path: QEMU, argv: [QEMU, request.path, ...request.argv.slice(1)] }),
    spawnSync: () => {
      throw new Error("not used here");
    },
  };
}

const starter = new LauncherStarter(host, aarch64, emulated(), { closeRange: true, pidfds: true });

function planOf(cmd: Command): Plan {
  const spec = specOf(cmd);
  const system = systemOf(host, { nofile: false });
  return makePlan(spec, system, outputsOf(spec, { mode: "spawn" }));
}

const skip = "Bun" in globalThis
  ? "Bun has no child_process with a channel"
  : !existsSync(QEMU)
  ? `needs ${QEMU}`
  : process.arch !== "x64"
  ? "this is no x86-64"
  : undefined;

function onAarch64(name: string, body: () => Promise<void>): void {
  const title = `aarch64, emulated: ${name}`;
  if (skip !== undefined) noteSkip(`${title}: ${skip}`);
  test(title, skip === undefined ? { timeout: 60_000 } : { skip }, body);
}

onAarch64("a program runs, and its status arrives", async () => {
  const { exited } = await starter.start(planOf(new Command("true").umask(0o27).cwd("/")));
  assertEquals((await exited).raw, 0);
  const failing = await starter.start(planOf(new Command("sh", "-c", "exit 3")));
  assertEquals((await failing.exited).raw, 3 << 8);
});

for (
  const [what, make, step, code] of [
    ["a missing program", () => new Command("/no/such/program"), "exec", "ENOENT"],
    ["a folder as a program", () => new Command("/tmp"), "exec", "EACCES"],
    ["a missing folder", () => new Command("true").cwd("/no/such/folder"), "chdir", "ENOENT"],
    ["a limit beyond", () => new Command("true").limit("nofile", 2n ** 40n), "limits", "EPERM"],
    [
      "a group that is not there",
      () => new Command("true").processGroup(99_999_999),
      "session",
      "",
    ],
  ] as const
) {
  onAarch64(`${what} is a SpawnError of step ${step}`, async () => {
    const error = await failure(SpawnError, () => starter.start(planOf(make())));
    assertEquals(error.step, step);
    if (code !== "") assertEquals(error.code, code);
  });
}

onAarch64("the handshake holds the program until it is let go", async () => {
  const { release, exited } = await starter.start(planOf(new Command("true").handshake()));
  assert(release !== undefined);
  await release();
  assertEquals((await exited).raw, 0);
});

onAarch64("a child that is killed at its handshake has ended", async () => {
  const { kill, exited } = await starter.start(planOf(new Command("true").handshake()));
  kill(9);
  assertEquals((await exited).raw, 9);
});

test("the launcher is less than two kilobytes on every architecture", () => {
  for (const arch of [x86_64, aarch64]) {
    const { length } = launcherFile(arch);
    assert(length < 2048, `${length} on ${arch.name}`);
  }
});
