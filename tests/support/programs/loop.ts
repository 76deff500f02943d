// Reads its standard input while a child has it as well, and reports the longest time for which its
// event loop stood still.
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { Command } from "../../../mod.ts";

const [report = ""] = process.argv.slice(2);

let pieces = 0;
process.stdin.on("data", () => pieces++);
// The runtime has begun to wait for input when the first piece has come.
while (pieces === 0) await new Promise((resolve) => setTimeout(resolve, 5));

const child = await new Command("sleep", 0.4).stdin("inherit").spawn();
const flags = readFileSync(`/proc/${child.pid}/fdinfo/0`, "utf8").match(/^flags:\s*(\d+)/m)?.[1];
let [last, longest] = [performance.now(), 0];
const timer = setInterval(() => {
  const now = performance.now();
  longest = Math.max(longest, now - last);
  last = now;
}, 1);
await child.wait();
clearInterval(timer);
longest = Math.max(longest, performance.now() - last);
writeFileSync(report, JSON.stringify({ longest, pieces, flags }));
process.exit(0);
