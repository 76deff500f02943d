import { assert, assertEquals } from "@std/assert";
import { readdirSync } from "node:fs";
import { backendInfo, Command } from "../../mod.ts";
import { conform } from "../support/harness.ts";
import { programArgv } from "../support/runtime.ts";

/**
 * A profiler stops the thread by a signal again and again. Would that thread ever run JavaScript
 * with signals blocked, and wait there for something that the profiler has, both would hang.
 */
conform("a process that is profiled starts programs like any other", async ({ folder }) => {
  const profiles = folder();
  // Only the native driver blocks signals; elsewhere a few are enough.
  const count = backendInfo().driver === "native" ? 500 : 50;
  const [runtime = "", ...rest] = programArgv("many", String(count));
  const [first = "", ...others] = rest;
  const flags = ["--cpu-prof", `--cpu-prof-dir=${profiles}`];
  const argv = first === "run" ? [first, ...flags, ...others] : [...flags, ...rest];
  const { stdout } = await new Command(runtime, ...argv).run({ timeout: 60_000 });
  assertEquals(stdout.trim(), String(count));
  assert(readdirSync(profiles).some((name) => name.endsWith(".cpuprofile")));
});
