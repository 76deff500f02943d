// Installs the tool chain. It is the first script that runs in a new clone, so it is plain
// JavaScript and imports only what Node 20 has. It is fast if everything is installed.

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { root, runtimes } from "./runtimes.mjs";

const stamp = new URL("node_modules/.vircommand-setup", root);

/** Returns a key that changes when the tool chain must be installed again. */
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

/** Returns the runtimes whose binary does not run. */
function broken() {
  return Object.values(runtimes).filter(({ binary }) => {
    const { status, error } = spawnSync(binary, ["--version"], { stdio: "ignore" });
    return error !== undefined || status !== 0;
  });
}

/** Installs the tool chain if needed. Exits with a message if this fails. */
export function setup() {
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted()) return;
  console.error("installing the tool chain …");
  npm("ci", "--no-audit", "--no-fund") || fail("npm ci failed");
  // An install script fetches a runtime's binary. npm may be configured not to run install scripts.
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
