// Runs all checks other than the tests: node scripts/check.mjs [--fix] [name …]
// Each check counts as one test. The last line reports how many passed.

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { setup } from "./setup.mjs";
import { root, runtimes } from "./runtimes.mjs";

setup();
const deno = runtimes.deno.binary;
const tsc = fileURLToPath(new URL("node_modules/typescript/bin/tsc", root));
const args = process.argv.slice(2);
const fix = args.includes("--fix");
const names = args.filter((arg) => arg !== "--fix");
const sources = ["mod.ts", "core", "backends", "tests", "examples", "bench"];

const checks = {
  fmt: [deno, "fmt", ...(fix ? [] : ["--check"])],
  lint: [deno, "lint"],
  "deno check": [deno, "check", ...sources],
  tsc: [process.execPath, tsc, "--noEmit"],
  "doc lint": [deno, "doc", "--lint", "mod.ts"],
  "publish dry run": [deno, "publish", "--dry-run", "--allow-dirty"],
};

const total = { passed: 0, failed: 0 };
for (const [name, [program, ...rest]] of Object.entries(checks)) {
  if (names.length > 0 && !names.includes(name)) continue;
  const { status, stdout, stderr } = spawnSync(program, rest, {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1" },
    maxBuffer: 1 << 28,
  });
  const held = status === 0;
  total[held ? "passed" : "failed"]++;
  console.log(`${name.padEnd(18)} ${held ? "passed" : "FAILED"}`);
  if (!held) console.log(`${stdout}${stderr}`);
}
console.log(`\n${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed > 0 ? 1 : 0;
