// Installs what the tool chain needs. Plain JavaScript, nothing imported that is not in Node 20:
// it is the first thing that runs in a fresh clone. Quick when everything is there.

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { root, runtimes } from "./runtimes.mjs";

const stamp = new URL("node_modules/.vircommand-setup", root);

/** What the installation depends on, as one word. */
function wanted() {
  const hash = createHash("sha256");
  for (const name of ["package.json", "package-lock.json"]) {
    hash.update(readFileSync(new URL(name, root)));
  }
  return hash.digest("hex");
}

function npm(...args) {
  const { status } = spawnSync("npm", args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
  return status === 0;
}

/** The runtimes whose binary does not run. */
function broken() {
  return Object.values(runtimes).filter(({ binary }) => {
    const { status, error } = spawnSync(binary, ["--version"], { stdio: "ignore" });
    return error !== undefined || status !== 0;
  });
}

/** Makes the tool chain ready; ends the process with a message if that cannot be done. */
export function setup() {
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted()) return;
  console.error("installing the tool chain …");
  npm("ci", "--no-audit", "--no-fund") || fail("npm ci failed");
  // A runtime's binary comes with an install script; npm may have been told to run none.
  if (broken().length > 0) npm("rebuild");
  const names = broken().map(({ name }) => name);
  if (names.length > 0) fail(`these runtimes do not run: ${names.join(", ")}`);
  writeFileSync(stamp, wanted());
}

function fail(message) {
  console.error(message);
  process.exit(1);
}

if (import.meta.url === `file://${process.argv[1]}`) setup();
