// Older releases of the runtimes, and a basic set of checks that every one of them must pass with
// the npm package: node scripts/versions.mjs [name …]. `npm test` runs it as well.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { installList } from "./install.mjs";
import { buildPackage } from "./package.mjs";
import { root, runtimes } from "./runtimes.mjs";
import { setup } from "./setup.mjs";

const list = new URL("tests/versions/package.json", root);
const folder = fileURLToPath(new URL("node_modules/.versions/", root));
const checks = fileURLToPath(new URL("tests/versions/basic.mjs", root));

/** A runtime has this long for all checks, in milliseconds. */
const LIMIT_MS = 15_000;

/** How each runtime runs a program. */
const KINDS = {
  bun: { binary: "bin/bun.exe", run: (file) => [file] },
  deno: { binary: "deno", run: (file) => ["run", "-A", "--quiet", "--no-check", file] },
  node: { binary: "bin/node", run: (file) => [file] },
};

/** The releases that are checked: the older ones, and those that the whole suite runs on. */
export function versions() {
  const { dependencies } = JSON.parse(readFileSync(list, "utf8"));
  const older = Object.keys(dependencies).map((name) => {
    const { binary, run } = KINDS[/^[a-z]+/.exec(name)[0]];
    return { name, binary: join(folder, "node_modules", name, binary), run };
  });
  const newest = ["node22", "node24", "node26", "bun", "deno"].map((name) => {
    const { run } = KINDS[/^[a-z]+/.exec(name)[0]];
    return { name, binary: runtimes[name].binary, run };
  });
  return [...older, ...newest];
}

/** Installs the older releases. Returns why that failed, if it did. */
export function installVersions() {
  return installList(fileURLToPath(list), folder);
}

/** Runs the checks on one release. Returns the problems, the skips, and how many checks passed. */
export function checkVersion({ binary, run }, module) {
  const temp = mkdtempSync(join(tmpdir(), "vircommand-version-"));
  try {
    const { stdout: written, stderr, error, signal, status } = spawnSync(binary, run(checks), {
      encoding: "utf8",
      timeout: LIMIT_MS,
      killSignal: "SIGKILL",
      cwd: temp,
      env: { ...process.env, NO_COLOR: "1", TMPDIR: temp, VIRCOMMAND_PACKAGE: module },
    });
    // There is none if the program could not be started.
    const stdout = written ?? "";
    const lines = stdout.split("\n").filter((line) => /^(ok|skip|fail|driver) /.test(line));
    const of = (kind) =>
      lines.filter((line) => line.startsWith(`${kind} `)).map((line) =>
        line.slice(kind.length + 1)
      );
    const problems = of("fail");
    if (status !== 0 && problems.length === 0) {
      const ended = error?.message ?? signal ?? `status ${status}`;
      problems.push(`the process ended with ${ended}\n${`${stdout}${stderr ?? ""}`.slice(-2000)}`);
    }
    return { driver: of("driver")[0], passed: of("ok").length, problems, skipped: of("skip") };
  } finally {
    rmSync(temp, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  setup();
  const problem = installVersions();
  if (problem !== undefined) {
    console.error(problem);
    process.exit(1);
  }
  const work = mkdtempSync(join(tmpdir(), "vircommand-versions-"));
  let failed = 0;
  try {
    buildPackage(work);
    for (const version of versions()) {
      if (process.argv.length > 2 && !process.argv.slice(2).includes(version.name)) continue;
      const began = performance.now();
      const { driver, passed, problems, skipped } = checkVersion(version, join(work, "mod.js"));
      const seconds = ((performance.now() - began) / 1000).toFixed(1);
      console.log(
        `${version.name.padEnd(9)} ${driver}: ${passed} passed, ${problems.length} failed, ` +
          `${skipped.length} skipped (${seconds} s)`,
      );
      for (const each of problems) console.log(`  FAILED ${each}`);
      for (const each of skipped) console.log(`  skipped: ${each}`);
      failed += problems.length;
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  process.exitCode = failed > 0 ? 1 : 0;
}
