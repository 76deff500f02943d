// Installs packages that only some checks need, when they are needed: lists in tests/, each into a
// folder of its own in node_modules.

import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

/** So long may npm take, in milliseconds. */
const LIMIT_MS = 5 * 60_000;

/**
 * Installs a list of packages into a folder, unless they are there. Returns why that failed, if it
 * did. npm cannot write a lock file for several releases of a package with optional parts, so exact
 * versions stand in the list itself.
 */
export function installList(list, folder) {
  const stamp = join(folder, "stamp");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === readFileSync(list, "utf8")) {
    return undefined;
  }
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  copyFileSync(list, join(folder, "package.json"));
  const { status, stderr } = spawnSync(
    "npm",
    ["install", "--no-package-lock", "--no-audit", "--no-fund"],
    { cwd: folder, encoding: "utf8", timeout: LIMIT_MS, killSignal: "SIGKILL" },
  );
  if (status !== 0) {
    return `npm could not install ${list}: ${(stderr ?? "").split("\n")[0] || "it took too long"}`;
  }
  copyFileSync(list, stamp);
  return undefined;
}
