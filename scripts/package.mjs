// Builds the npm package: node scripts/package.mjs [folder]. The default folder is dist/.
//
// `deno pack` compiles the sources and writes the types. It uses the JSR name of the package; the
// name on npm is vircommand.

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setup } from "./setup.mjs";
import { root, runtimes } from "./runtimes.mjs";

/** Writes the files of the published package into a folder. */
export function buildPackage(folder) {
  const work = mkdtempSync(join(tmpdir(), "vircommand-package-"));
  try {
    const tarball = join(work, "package.tgz");
    run(runtimes.deno.binary, ["pack", "--quiet", "--allow-dirty", "--output", tarball]);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    run("tar", ["xzf", tarball, "-C", folder, "--strip-components=1"]);
    const file = join(folder, "package.json");
    const description = JSON.parse(readFileSync(file, "utf8"));
    const own = {
      name: "vircommand",
      description: "Start programs the way a careful systems engineer would",
      engines: { node: ">=20", bun: ">=1.2" },
    };
    writeFileSync(file, `${JSON.stringify({ ...description, ...own }, null, 2)}\n`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function run(program, args) {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1" },
  });
  if (status !== 0) throw new Error(`${program}: ${error ?? stdout + stderr}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  setup();
  const folder = process.argv[2] ?? fileURLToPath(new URL("dist/", root));
  buildPackage(folder);
  console.log(folder);
}
