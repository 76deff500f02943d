// Runs commands in every way in a current folder that has been removed, and reports what came of
// each. The arguments are the folder and "cold" if nothing is to be run before.
import { rmdirSync } from "node:fs";
import process from "node:process";
import { Command, CommandError } from "../../../mod.ts";

const [folder = "", when] = process.argv.slice(2);
const rows: unknown[] = [];

async function attempt(what: string, action: () => unknown): Promise<void> {
  try {
    rows.push({ what, said: String(await action()), ours: true });
  } catch (error) {
    const { name, message, code, step, syscall } = error as Error & Record<string, unknown>;
    const ours = error instanceof CommandError;
    rows.push({ what, name, message, code, step, syscall, ours });
  }
}

if (when !== "cold") {
  await new Command("/bin/true").run();
  new Command("/bin/true").runSync();
}
process.chdir(folder);
rmdirSync(folder);
const WAYS: Readonly<Record<string, () => unknown>> = {
  run: () => new Command("echo", "hi").text(),
  runSync: () => new Command("echo", "hi").runSync().stdout,
  lines: async () => {
    for await (const line of new Command("echo", "hi").lines()) return `${line}\n`;
    return "";
  },
  merged: async () => (await new Command("echo", "hi").stderr("stdout").run()).stdout,
  elsewhere: () => new Command("echo", "hi").cwd("/").text(),
  "./": () => new Command("./program").run(),
  "./ sync": () => new Command("./program").runSync(),
  "./ spawn": () => new Command("./program").spawn(),
  "./ explain": () => new Command("./program").explain(),
  "./ resolve": () => new Command("./program").resolve(),
  "relative PATH": () => new Command("no-such-tool").env("PATH", "bin").run(),
  cwd: () => new Command("echo").cwd("sub").run(),
  file: () => new Command("cat").stdin({ file: "input" }).run(),
  pidFile: () => new Command("true").daemonize().pidFile("pid").run(),
  hook: () => new Command("true").preExec("./hook.mjs").run(),
};
for (const [what, action] of Object.entries(WAYS)) await attempt(what, action);
process.stdout.write(JSON.stringify(rows));
