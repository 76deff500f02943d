// Runs programs that inherit this process's own streams: which of them, the arguments say; or its
// environment. What belongs to one pair of outputs ends with a line of its own in both.
import { writeSync } from "node:fs";
import process from "node:process";
import { Command } from "../../../mod.ts";

const [what, ...rest] = process.argv.slice(2);
const script = "echo out 1; echo err 1 >&2; echo out 2; echo err 2 >&2";

/** A number, or the name of a form. */
function form(text: string | undefined): number | "inherit" | "null" | "stdout" {
  const number = Number(text);
  return Number.isInteger(number) ? number : text as "inherit";
}

if (what === "stdin") {
  await new Command("cat").stdin("inherit").stdout("inherit").run();
} else if (what === "environment") {
  await new Command("/usr/bin/env", "-0").stdout("inherit").run();
} else {
  const [way, ...pairs] = rest;
  for (const pair of pairs) {
    const cmd = new Command("sh", "-c", script);
    const [stdout, stderr] = pair.split(" ");
    const output = form(stdout);
    if (output !== "stdout") cmd.stdout(output);
    cmd.stderr(form(stderr));
    if (way === "sync") cmd.runSync();
    else await cmd.run();
    for (const fd of [1, 2]) writeSync(fd, "--\n");
  }
}
