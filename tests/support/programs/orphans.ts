// Runs as process 1 of a pid namespace ("first"), or becomes a subreaper ("subreaper"). Says which
// orphans were reaped, and what the children of the runtime and of the library ended with meanwhile.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import process from "node:process";
import { backendInfo, Command, reapOrphans } from "../../../mod.ts";

const [how = ""] = process.argv.slice(2);
const subreaper = how === "subreaper";

/** State and parent of a process; undefined if it is gone. */
function statOf(pid: number): [string, number] | undefined {
  try {
    const [state = "", parent] = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]
      ?.split(" ") ?? [];
    return [state, Number(parent)];
  } catch {
    return undefined;
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await pause(10);
}

const said: Record<string, unknown> = {};
const reaping = reapOrphans({ subreaper });
const again = reapOrphans({ subreaper });
again[Symbol.dispose]();

const orphans = Array.from({ length: 5 }, () => new Command("sh", "-c", "true & echo $!").run());
const pids = (await Promise.all(orphans)).map(({ stdout }) => parseInt(stdout));
await until(() => pids.every((pid) => statOf(pid) === undefined));
said["reaped"] = pids.length;

// Children of the runtime that end while nobody can reap them, for longer than the looks take.
const exits = [7, 8, 9].map((code) =>
  new Promise((resolve) => spawn("sh", ["-c", `exit ${code}`]).on("exit", resolve))
);
const ours = new Command("sh", "-c", "exit 5").run({ check: false });
const block = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500);
block();
const busy = setInterval(block, 0);
said["children"] = (await Promise.all(exits)).join();
said["ours"] = (await ours).code;
clearInterval(busy);

if (backendInfo().features["daemonize"]) {
  const { pid } = await new Command("true").daemonize().run();
  await until(() => statOf(pid) === undefined);
  said["daemon"] = "reaped";
}

reaping[Symbol.dispose]();
reaping[Symbol.dispose]();
const { stdout } = await new Command("sh", "-c", "sleep 60 & echo $!").run({ drain: 0 });
const late = parseInt(stdout);
if (subreaper) {
  said["parent"] = statOf(late)?.[1] === process.pid;
  process.kill(late, "SIGKILL");
} else {
  process.kill(late, "SIGKILL");
  await until(() => statOf(late)?.[0] === "Z");
  // As long as several looks would take: nothing tells that nobody looks.
  await pause(2500);
  said["left"] = statOf(late)?.[0];
}
console.log(JSON.stringify(said));
