// Runs a command while only some descriptors are left, and reports what came of it.
// Arguments: how many are left, and an empty folder, which is that for temporary files.
import { closeSync, openSync, readdirSync } from "node:fs";
import process from "node:process";
import { Command } from "../../../mod.ts";

const [left = "", folder = ""] = process.argv.slice(2);
process.env["TMPDIR"] = folder;
// What a driver makes once for all runs is there.
new Command("true").runSync();
const fds: number[] = [];
try {
  for (;;) fds.push(openSync("/dev/null", "r"));
} catch {
  // There are no more.
}
for (const fd of fds.splice(0, Number(left))) closeSync(fd);
let outcome: string;
try {
  outcome = new Command("true").runSync().constructor.name;
} catch (error) {
  outcome = (error as Error).name;
}
for (const fd of fds) closeSync(fd);
process.stdout.write(JSON.stringify({ outcome, files: readdirSync(folder), taken: fds.length }));
