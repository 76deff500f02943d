/**
 * Processes that were started with more rights than whoever started them has: a copy of this
 * runtime gets capabilities or the set-uid bit, and is started by an ordinary user.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { chmodSync, constants, copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { Command } from "../../mod.ts";
import { conform, type Context } from "../support/harness.ts";
import { denoDirFor, programArgv } from "../support/runtime.ts";

const NOBODY = 65534;

/** A copy of this runtime that may do more than whoever starts it. */
async function elevatedRuntime(t: Context, how: "capabilities" | "set-uid"): Promise<string> {
  const folder = t.folder();
  chmodSync(folder, 0o755);
  const path = join(folder, "runtime");
  copyFileSync(process.execPath, path, constants.COPYFILE_FICLONE);
  chmodSync(path, how === "set-uid" ? 0o4755 : 0o755);
  if (how === "capabilities") await new Command("setcap", "cap_net_raw+ep", path).run();
  return path;
}

/** A program of the suite in that runtime, started by nobody with an environment of its own. */
function asNobody(t: Context, runtime: string, name: string, ...args: string[]): Command {
  const [, ...argv] = programArgv(name, ...args);
  return new Command(runtime, ...argv).uid(NOBODY).gid(NOBODY)
    .env({ ...denoDirFor(t), NODE_NO_WARNINGS: "1" });
}

const kinds = "Deno" in globalThis
  // Deno does not start with different real and effective ids.
  ? ["capabilities"] as const
  : ["capabilities", "set-uid"] as const;

/** The driver that is chosen if nobody asks for one. */
async function ownChoice(): Promise<string> {
  const cmd = Command.from(programArgv("elevated")).envPass("PATH").envPass("HOME")
    .envPass("DENO_DIR").env("NODE_NO_WARNINGS", 1);
  return JSON.parse(await cmd.text()).driver;
}

for (const how of kinds) {
  conform(`with ${how} of its own, a process does not heed its environment`, async (t) => {
    const runtime = await elevatedRuntime(t, how);
    const driver = await ownChoice();
    for (const asked of ["portable", "none such"]) {
      const cmd = asNobody(t, runtime, "elevated")
        .env({ VIRCOMMAND_DRIVER: asked, PATH: "/sbin:/bin:/usr/bin", TMPDIR: "/var/tmp" })
        .env({ HOME: "/nowhere", XDG_RUNTIME_DIR: "/nowhere", XDG_CACHE_HOME: "/nowhere" })
        .env({ BLOCKED: "blocked", PASSED: "passed" });
      assertEquals(JSON.parse(await cmd.text()), {
        driver,
        chosen: ["PASSED=passed"],
        common: ["LC_ALL=C", "PATH=/bin:/usr/bin"],
      }, asked);
    }
  }, { root: true, needs: ["setcap"], timeoutMs: 60_000 });
}

conform("without any, it does", async (t) => {
  const [runtime = ""] = programArgv("elevated");
  const cmd = asNobody(t, runtime, "elevated").envPass("PATH")
    .env({ VIRCOMMAND_DRIVER: "portable", BLOCKED: "1" });
  const { driver, chosen } = JSON.parse(await cmd.text());
  assertEquals([driver, chosen], ["portable", ["BLOCKED=1"]]);
}, { root: true });

conform("a hook of a set-uid process has nothing of whoever started it", async (t) => {
  const runtime = await elevatedRuntime(t, "set-uid");
  const folder = t.folder();
  chmodSync(folder, 0o777);
  const path = join(folder, "seen");
  const homes = { HOME: "/nowhere", TMPDIR: folder, XDG_CONFIG_HOME: folder, LD_BIND_NOW: "1" };
  const cmd = asNobody(t, runtime, "elevated_hook", path).env({
    ...homes,
    LANG: "C",
    NODE_ENV: "x",
  });
  await cmd.run();
  const { env } = JSON.parse(readFileSync(path, "utf8"));
  for (const name of ["NODE_ENV", ...Object.keys(homes)]) assert(!(name in env), name);
  assertEquals(env.LANG, "C");
}, {
  root: true,
  features: ["preExec"],
  skip: "Deno" in globalThis ? "Deno does not start with different ids" : undefined,
});
