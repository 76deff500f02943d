// Starts daemons whose pid files have no room, and prints how that fails and what is left.
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { backendInfo, Command, type SpawnError } from "../../../mod.ts";
import { WAYS } from "../failures.ts";

const [, , folder = "", room = ""] = process.argv;
const limits = (soft: string) =>
  new Command("prlimit", `--pid=${process.pid}`, `--fsize=${soft}:`).run();

const ways = Object.entries(WAYS).filter(([way]) =>
  // A synchronous run by the launcher writes files of its own.
  room === "full" || way !== "runSync" || backendInfo().driver === "native"
);
const seen: Record<string, unknown> = {};
if (room === "full") writeFileSync(join(folder, "filler"), new Uint8Array(4096));
else await limits(room);
for (const [way, start] of ways) {
  try {
    await start(new Command("sleep", 1000).daemonize().pidFile(join(folder, "pid")));
    seen[way] = "it started";
  } catch (error) {
    const { step, code } = error as SpawnError;
    seen[way] = { step, code, left: readdirSync(folder) };
  }
}
if (room !== "full") await limits("unlimited");
process.stdout.write(JSON.stringify(seen));
