// Runs commands in every way while this process has no descriptor left, and reports what came of
// each; then once more when there are some again. With "cold", nothing was run before. With "all",
// no descriptor is taken: then something else is missing.
import { closeSync, openSync } from "node:fs";
import process from "node:process";
import { Command, CommandError } from "../../../mod.ts";

interface Row {
  readonly what: string;
  readonly name: string;
  readonly ours: boolean;
  readonly code?: string | undefined;
  readonly step?: string | undefined;
  readonly message?: string | undefined;
}

const rows: Row[] = [];

async function attempt(what: string, action: () => unknown): Promise<void> {
  try {
    await action();
    rows.push({ what, name: "none", ours: true });
  } catch (error) {
    const { name, message, code, step } = error as Error & { code?: string; step?: string };
    rows.push({ what, name, message, code, step, ours: error instanceof CommandError });
  }
}

const WAYS: Readonly<Record<string, () => unknown>> = {
  run: () => new Command("/bin/true").run(),
  "run with input": () => new Command("/bin/cat").stdin("text").run(),
  "run merged": () => new Command("/bin/sh", "-c", "echo a; echo b >&2").stderr("stdout").run(),
  "run to a file": () => new Command("/bin/true").stdout({ file: "/dev/null" }).run(),
  "run with a buffer": () => {
    const cmd = new Command("/bin/true");
    cmd.sendBuffer("text");
    return cmd.run();
  },
  runSync: () => new Command("/bin/true").runSync(),
  "runSync with input": () => new Command("/bin/cat").stdin("text").runSync(),
  spawn: async () => {
    const child = await new Command("/bin/true").stdout("pipe").spawn();
    await child.wait();
  },
  handshake: async () => {
    const child = await new Command("/bin/true").handshake().spawn();
    await child.handshakeNotify();
    await child.wait();
  },
  daemon: () => new Command("/bin/true").daemonize().run(),
  hook: () =>
    new Command("/bin/true").preExec(new URL("../hooks/fail.ts", import.meta.url), "no").run(),
  lines: async () => {
    for await (const _ of new Command("/bin/echo", "a").lines());
  },
  user: () => new Command("/bin/true").user("nobody").run(),
  capabilities: () => new Command("/bin/true").clearCaps().run(),
  explain: () => new Command("/bin/true").explain(),
  resolve: () => new Command("true").resolve(),
};

if (process.argv.includes("warm")) {
  await new Command("/bin/true").run();
  new Command("/bin/true").runSync();
}
const taken: number[] = [];
try {
  while (!process.argv.includes("all")) taken.push(openSync("/dev/null", "r"));
} catch {
  // There are no more.
}
for (const [what, action] of Object.entries(WAYS)) await attempt(what, action);
for (const fd of taken) closeSync(fd);
await attempt("healthy", () => new Command("/bin/true").run());
await attempt("healthy sync", () => new Command("/bin/true").runSync());
process.stdout.write(JSON.stringify(rows));
