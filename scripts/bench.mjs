// Runs the benchmarks:
// node scripts/bench.mjs [--runtime NAME] [--quick] [--json] [part of a file name …]

import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { setup } from "./setup.mjs";
import { root, runtimes, shown } from "./runtimes.mjs";

setup();
const args = process.argv.slice(2);
const at = args.indexOf("--runtime");
const only = at < 0 ? undefined : args.splice(at, 2)[1];
const flags = args.filter((each) => each.startsWith("--"));
const parts = args.filter((each) => !flags.includes(each));
const folder = fileURLToPath(new URL("bench/", root));
const benches = readdirSync(folder).filter((name) =>
  name.endsWith(".ts") && name !== "harness.ts" &&
  (parts.length === 0 || parts.some((part) => name.includes(part)))
).sort();
let failed = 0;
for (const bench of benches) {
  // The launcher is only used by runtimes without FFI.
  const names = bench === "launcher.ts" ? ["node24"] : shown;
  for (const name of only === undefined ? names : [only]) {
    console.log(`\n── ${bench} on ${name} ──`);
    const { binary, run } = runtimes[name];
    const { status } = spawnSync(binary, run(`${folder}${bench}`, ...flags), {
      cwd: root,
      stdio: "inherit",
    });
    if (status !== 0) failed++;
  }
}
process.exitCode = failed > 0 ? 1 : 0;
