import { assert, assertEquals } from "@std/assert";
import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { backendInfo, Command, SpawnError, syscalls, UnsupportedError } from "../../mod.ts";
import { endLater } from "../support/daemons.ts";
import { conform, type Context } from "../support/harness.ts";
import { program } from "../support/runtime.ts";

const t = () => new Command("true");
const hook = new URL("../support/hooks/fail.ts", import.meta.url);

/** A command that uses a feature, for each feature that drivers differ in, and what all have. */
const PROBES: Readonly<Record<string, (context: Context) => unknown>> = {
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
  selinuxLabel: () => t().selinuxLabel("system_u:system_r:init_t:s0").run(),
  apparmorProfile: () => t().apparmorProfile("unconfined").run(),
  runAlone: () => t().runAlone().run(),
  runAmong: () => t().runAmong(process.pid).run(),
  step: () => t().step(syscalls.prctl("PR_SET_NO_NEW_PRIVS", 1, 0, 0, 0)).run(),
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

/** What became of a probe. */
async function outcomeOf(probe: (context: Context) => unknown, context: Context): Promise<string> {
  try {
    await probe(context);
    return "works";
  } catch (error) {
    if (error instanceof UnsupportedError) {
      // The security modules: the driver could, the kernel has none.
      return error.message.includes("is not enabled in this kernel") ? "refused" : "unsupported";
    }
    if (error instanceof SpawnError) return "refused";
    throw error;
  }
}

for (const [feature, probe] of Object.entries(PROBES)) {
  conform(`${feature}: it is there if and only if the driver says so`, async (context) => {
    const { driver, features } = backendInfo();
    const outcome = await outcomeOf(probe, context);
    if (features[feature] === true) assert(outcome !== "unsupported", outcome);
    if (features[feature] === false) assert(outcome !== "works", outcome);
    if (features[feature] === undefined) assertEquals(outcome, "works");
    note({ name: process.env["VIRCOMMAND_TEST_RUNTIME"], driver, feature, outcome });
  }, { root: true });
}

/** For the table in docs/support.md. */
function note(seen: Readonly<Record<string, string | undefined>>): void {
  const file = process.env["VIRCOMMAND_TEST_SUPPORT"];
  if (file === undefined) return;
  const fd = openSync(file, "a");
  writeSync(fd, `${JSON.stringify(seen)}\n`);
  closeSync(fd);
}
