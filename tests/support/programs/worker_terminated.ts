// Terminates a worker whose programs still run, and reports what becomes of them. Nobody is left to
// reap them until this process has ended.
import { readFileSync } from "node:fs";
import process from "node:process";
import { Worker } from "node:worker_threads";

const program = new URL("./worker_end.ts", import.meta.url);
const worker = new Worker(program, { workerData: { mode: "running" } });
const pids = await new Promise<number[]>((resolve, reject) => {
  worker.once("message", resolve);
  worker.once("error", reject);
});

function isOver(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).startsWith("Z");
  } catch {
    return true;
  }
}

const before = pids.map(isOver);
await worker.terminate();
const deadline = performance.now() + 5000;
while (!pids.every(isOver) && performance.now() < deadline) {
  await new Promise((resolve) => setTimeout(resolve, 5));
  // Bun closes no pipes with a worker: only the handshake, which is a socket.
  if ("Bun" in globalThis && isOver(pids[0] ?? 0)) break;
}
process.stdout.write(JSON.stringify({ before, after: pids.map(isOver) }));
for (const pid of pids) if (!isOver(pid)) process.kill(pid, "SIGKILL");
process.exit(0);
