// A worker that starts programs and says so. How it ends is for others to choose.
import { parentPort, workerData } from "node:worker_threads";
import process from "node:process";
import { Command } from "../../../mod.ts";

const { mode } = workerData as { mode: "idle" | "running" };
let pids: number[] = [];
if (mode === "idle") {
  await new Command("true").run();
  await Promise.all(Array.from({ length: 8 }, () => new Command("cat").stdin("x").run()));
  const large = new Uint8Array(300_000);
  await new Command("cat").stdin(large).run();
  new Command("cat").stdin("x").runSync();
} else {
  const waiting = await new Command("true").handshake().spawn();
  await waiting.handshakeWait();
  const reading = await new Command("cat").stdin("pipe").stdout("null").spawn();
  const both = await new Command("cat").stdin("pipe").stdout("pipe").spawn();
  const writer = both.stdin.getWriter();
  await writer.write("x");
  pids = [waiting.pid, reading.pid, both.pid];
}
parentPort?.on("message", () => process.exit(0));
parentPort?.postMessage(pids);
