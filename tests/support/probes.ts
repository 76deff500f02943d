/**
 * A command for each feature that drivers differ in, and for what all of them have: what
 * docs/support.md is made of. It must throw an UnsupportedError or a SpawnError where the feature
 * is missing, and anything else if it does not do what it should.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { openSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { backendInfo, Command, syscalls } from "../../mod.ts";
import { endLater } from "./daemons.ts";
import type { Context } from "./harness.ts";
import { program } from "./runtime.ts";
import { parseStatus, statSeen } from "./world.ts";

const t = () => new Command("true");
const status = () => new Command("cat", "/proc/self/status");
const hook = new URL("./hooks/fail.ts", import.meta.url);

/** By feature; what all drivers have comes first, under names of its own. */
export const PROBES: Readonly<Record<string, (context: Context) => unknown>> = {
  "arguments, environment, cwd": () => t().arg("a").env("A", "b").cwd("/").run(),
  "capture and input": async () => assertEquals(await new Command("cat").stdin("x").text(), "x"),
  'stderr("stdout")': async () =>
    assertEquals(
      await new Command("sh", "-c", "echo a; echo b >&2; echo c").stderr("stdout").text(),
      "a\nb\nc\n",
    ),
  "time limits": () => new Command("sleep", 1000).run({ timeout: 20, check: false }),
  lines: async () => {
    for await (const line of new Command("yes").lines()) {
      assertEquals(line, "y");
      break;
    }
  },
  runSync: () => t().runSync(),
  umask: async () =>
    assertEquals(await new Command("sh", "-c", "umask").umask(0o27).text(), "0027\n"),
  limit: () => t().maxCoreSize(0).run(),
  session: () => t().session().run(),
  processGroup: () => t().processGroup().run(),
  passFd: async () => {
    const fd = openSync("/dev/null", "r");
    await t().passFd(fd, { as: 7, closeParent: true }).run();
  },
  sendBuffer: async () => {
    const cmd = new Command("cat");
    const fd = cmd.sendBuffer("x");
    assertEquals(await cmd.arg(`/proc/self/fd/${fd}`).text(), "x");
  },
  uid: () => t().uid(65534).gid(65534).groups([]).run(),
  gid: () => t().gid(65534).groups([]).run(),
  groups: () => t().groups([1, 2]).run(),
  user: () => t().user("nobody").run(),
  clearCaps: () => t().clearCaps().run(),
  allowCap: () => t().clearCaps().allowCap("chown").run(),
  oomScoreAdj: async () => {
    const cmd = new Command("cat", "/proc/self/oom_score_adj").oomScoreAdj(987);
    assertEquals(await cmd.text(), "987\n");
  },
  cpuAffinity: async () => {
    const { Cpus_allowed_list = "" } = parseStatus(await status().text());
    const cpu = Number(/\d+$/.exec(Cpus_allowed_list)?.[0]);
    const seen = parseStatus(await status().cpuAffinity([cpu]).text());
    assertEquals(seen["Cpus_allowed_list"], String(cpu));
  },
  ioPriority: () => t().ioPriority("best-effort", 7).run(),
  nice: async () => assertEquals((await statSeen((cmd) => cmd.nice(19)))[19], "19"),
  scheduler: async () =>
    assertEquals((await statSeen((cmd) => cmd.scheduler("SCHED_BATCH")))[41], "3"),
  selinuxLabel: () => t().selinuxLabel("system_u:system_r:init_t:s0").run(),
  apparmorProfile: () => t().apparmorProfile("unconfined").run(),
  runAlone: () => t().runAlone().run(),
  runAmong: () => t().runAmong(process.pid).run(),
  noNewPrivs: async () =>
    assertEquals(parseStatus(await status().noNewPrivs().text())["NoNewPrivs"], "1"),
  step: () => t().step(syscalls.prctl("PR_SET_NO_NEW_PRIVS", 1, 0, 0, 0)).run(),
  dieWithParent: () => t().dieWithParent().run(),
  preExec: () => t().preExec(hook, "fine").run(),
  handshake: async () => {
    const child = await t().handshake().spawn();
    await child.handshakeWait();
    await child.handshakeNotify();
    await child.wait();
  },
  daemonize: async ({ defer }) => {
    endLater(defer, await new Command("sleep", 1000).daemonize().run());
  },
  pidFile: async ({ defer, folder }) => {
    const cmd = new Command("sleep", 1000).daemonize().pidFile(join(folder(), "pid"));
    endLater(defer, await cmd.run());
  },
  exec: async () => {
    if (backendInfo().features["exec"] === false) t().exec();
    assert((await program("exec", "become").stdin("").text()).includes("renamed b"));
  },
};
