// Runs the examples on every runtime. `npm run demo` is this.

import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { setup } from "./setup.mjs";
import { root, runtimes, shown } from "./runtimes.mjs";

setup();
const folder = fileURLToPath(new URL("examples/", root));
const examples = readdirSync(folder).filter((name) => name.endsWith(".ts")).sort();
const failures = [];
for (const name of shown) {
  const { binary, run } = runtimes[name];
  const version = spawnSync(binary, ["--version"], { encoding: "utf8" }).stdout.split("\n")[0];
  console.log(`\n════ ${name} (${version}) ════`);
  for (const example of examples) {
    console.log(`\n── ${example} ──`);
    const { status, signal } = spawnSync(binary, run(`${folder}${example}`), {
      cwd: root,
      stdio: ["ignore", "inherit", "inherit"],
      timeout: 60_000,
    });
    if (status !== 0) failures.push(`${example} on ${name}: ${signal ?? `status ${status}`}`);
  }
}
for (const failure of failures) console.error(`failed: ${failure}`);
console.log(`\n${examples.length} examples on ${shown.length} runtimes, ${failures.length} failed`);
process.exitCode = failures.length > 0 ? 1 : 0;
