/**
 * A server must bind a low port and needs no other rights. It runs as nobody, without root's
 * groups. It keeps one capability across the change of user and cannot get another one.
 *
 * @module
 */

import process from "node:process";
import { Command, SpawnError } from "../mod.ts";
import { heading, report } from "./support/report.ts";

heading("drop privileges");

const server = new Command("grep", "-E", "^(Uid|Gid|Groups|Cap(Eff|Bnd|Amb)):", "/proc/self/status")
  .user("nobody")
  .clearCaps()
  .allowCap("net_bind_service");

if (process.getuid?.() === 0) {
  for (const line of (await server.text()).trim().split("\n")) {
    const [name = "", ...values] = line.split(/\s+/);
    console.log(`${name.replace(":", "")}: ${values.join(" ")}`);
  }
} else {
  try {
    await server.run();
  } catch (error) {
    if (!(error instanceof SpawnError)) throw error;
    console.log(
      `refused, because only root may do this: step ${error.step}, ${error.syscall}, ${error.code}`,
    );
  }
}
report();
