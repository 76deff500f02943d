// The core part of the suite as it runs in a worker thread: tells what came of each check.
import { parentPort } from "node:worker_threads";
import { backendInfo, Command, type ExitError, type SpawnError } from "../../../mod.ts";

const nameOf = (error: unknown) => (error as Error).name;

const checks: Record<string, () => unknown> = {
  driver: () => backendInfo().driver,
  output: () => new Command("echo", "hello").text(),
  input: () => new Command("cat").stdin("input").text(),
  large: async () => {
    const input = new Uint8Array(300_000).fill(7);
    return (await new Command("cat").stdin(input).run()).stdoutBytes.length;
  },
  environment: () => new Command("env").env("A", "b").text(),
  folder: () => new Command("pwd").cwd("/").text(),
  merged: () => new Command("sh", "-c", "echo a; echo b >&2").stderr("stdout").text(),
  lines: async () => {
    const lines: string[] = [];
    for await (const line of new Command("printf", "1\\n2\\n").lines()) lines.push(line);
    return lines.join();
  },
  exit: () => new Command("sh", "-c", "exit 3").run().catch((error: ExitError) => error.code),
  missing: () => new Command("/no/such/program").run().catch((error: SpawnError) => error.code),
  late: () => new Command("sleep", 1000).run({ timeout: 30 }).catch(nameOf),
  killed: async () => {
    const child = await new Command("sleep", 1000).spawn();
    child.kill("SIGINT");
    return (await child.wait({ check: false })).signal;
  },
  sync: () => new Command("cat").stdin("sync").runSync().stdout,
  many: async () => {
    const all = Array.from({ length: 20 }, (_, i) => new Command("echo", i).text());
    return (await Promise.all(all)).join("").split("\n").length;
  },
};

const seen: Record<string, unknown> = {};
for (const [name, check] of Object.entries(checks)) {
  try {
    seen[name] = await check();
  } catch (error) {
    seen[name] = String(error);
  }
}
parentPort?.postMessage(seen);
