/**
 * A network manager starts a helper that continues without it, as dnsmasq does. The helper has a
 * pid file that only one process can hold, a filtered environment and its own limits. If it is
 * started a second time, the error names the process that is already running.
 *
 * @module
 */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { Command, SpawnError } from "../mod.ts";
import { heading, report } from "./support/report.ts";

heading("a daemon with a pid file");

const folder = mkdtempSync(join(tmpdir(), "vircommand-daemon-"));
const pidFile = join(folder, "helper.pid");

const helper = () =>
  new Command("sleep", 1000)
    .envPassCommon()
    .umask(0o027)
    .maxCoreSize(0)
    .daemonize()
    .pidFile(pidFile);

let pid: number | undefined;
try {
  pid = (await helper().run()).daemonPid;
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const written = readFileSync(pidFile, "utf8") === String(pid);
  console.log(
    `started: pid file names it: ${written}, umask ${/Umask:\s+(\d+)/.exec(status)?.[1]}`,
  );
  try {
    await helper().run();
  } catch (error) {
    if (!(error instanceof SpawnError)) throw error;
    const holder = error.message.includes(`locked by process ${pid}`);
    console.log(
      `second start: refused at step ${error.step}, the error names the holder: ${holder}`,
    );
  }
} finally {
  if (pid !== undefined) process.kill(pid, "SIGTERM");
  rmSync(folder, { recursive: true, force: true });
}
console.log(`stopped with SIGTERM`);
report();
