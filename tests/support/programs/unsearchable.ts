// Runs a hook in a folder that its process may not search any more, and prints where the program is.
import { chmodSync } from "node:fs";
import process from "node:process";
import { Command } from "../../../mod.ts";

const [, , path = ""] = process.argv;
const folder = process.cwd();
// Both are loaded before.
await new Command("/bin/true").run();
chmodSync(folder, 0);
const cmd = new Command("/bin/readlink", "/proc/self/cwd");
try {
  process.stdout.write(
    await cmd.preExec(new URL("../hooks/system.ts", import.meta.url), path).text(),
  );
} finally {
  chmodSync(folder, 0o700);
}
