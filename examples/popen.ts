/**
 * Replaces popen(3): reads the lines of a program's output when they arrive, and stops at the first
 * one that matches. The program itself never ends; leaving the loop ends it.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { Command } from "../mod.ts";
import { heading, report } from "./support/report.ts";

heading("popen: read lines until one matches");

// Prints its own pid first, then counts without end.
const counter = "echo pid $$; i=0; while :; do i=$((i+1)); echo line $i; done";

let pid = "";
let read = 0;
let found: string | undefined;
const begun = performance.now();
for await (const line of new Command("sh", "-c", counter).envPassCommon().lines()) {
  read++;
  if (line.startsWith("pid ")) pid = line.slice(4);
  if (!/^line \d*77$/.test(line)) continue;
  found = line;
  break;
}
const took = performance.now() - begun;

console.log(`process ${pid} wrote ${read} lines until ${JSON.stringify(found)} matched`);
const gone = !existsSync(`/proc/${pid}`);
console.log(gone ? `process ${pid} is gone` : `process ${pid} is still there`);
report({ "the loop": took });
if (!gone) throw new Error("leaving the loop must end the program");
