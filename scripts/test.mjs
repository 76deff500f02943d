// Runs every test on every runtime and driver, and counts. `npm test` is this.
//
//   node scripts/test.mjs [--runtime NAME] [--driver NAME] [--user] [part of a file name …]
//   node scripts/test.mjs --quick [--runtime NAME] [part of a file name …]
//
// `--quick` is for development and takes less than a minute. It runs the unit tests, and the
// conformance suite on one runtime and its first driver, without the slow, thorough files.
//
// The parts `injection` and `fuzz` run samples of `npm run inject` and `npm run fuzz`, and the basic checks on older releases.
// The part `bundles` runs scripts/bundles.mjs.
//
// The counts come from the JUnit report of each runtime. The reports of Deno and Bun do not contain
// the reason for a skip, so the test harness appends it to the file that VIRCOMMAND_TEST_SKIPS
// names. Groups run one at a time, because tests of processes disturb each other.

import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { checkBundles } from "./bundles.mjs";
import { setup } from "./setup.mjs";
import { matrix, root, runtimes } from "./runtimes.mjs";
import { fuzz, needsOfFuzz, pairs, shown } from "./fuzz.mjs";
import { grouped, inject, injected } from "./inject.mjs";
import { parseReport } from "./junit.mjs";
import { buildPackage } from "./package.mjs";
import { supportPage } from "./support.mjs";
import { checkVersion, installVersions, versions } from "./versions.mjs";

/** A group that takes longer than this has hung, even on a busy machine. */
const LIMIT_MS = 20 * 60_000;

/** The prefix that the harness writes for a test that was skipped while it ran. */
const LATE = "late: ";

/** The ordinary user for the second run of the conformance suite. */
const NOBODY = 65534;

/** Slow files that test in depth what other files test once. `--quick` leaves them out. */
const THOROUGH = [
  "closed_parent",
  "daemon_matrix",
  "hook_isolation",
  "large_commands",
  "odd_values",
  "old_kernels",
  "orphans",
  "profiled",
  "repetition",
];

/** Files that do not depend on the rights of the user. They are not run as an ordinary user. */
const FOR_ANY_USER = [
  "bare_globals",
  "dry_run",
  "large_commands",
  "launcher_self_test",
  "merged_portable",
  "mock_timers",
  "odd_values",
  "old_kernels",
  "orphans",
  "profiled",
  "repetition",
  "sync_input",
  "text_forms",
  "unheard_signals",
];

const options = { runtime: undefined, driver: undefined, user: false, quick: false, parts: [] };
const args0 = process.argv.slice(2).filter((arg) => arg !== "--write-support");
const args = [...args0];
while (args.length > 0) {
  const arg = args.shift();
  if (arg === "--runtime") options.runtime = args.shift();
  else if (arg === "--driver") options.driver = args.shift();
  else if (arg === "--user") options.user = true;
  else if (arg === "--quick") options.quick = true;
  else options.parts.push(arg);
}

if (options.quick) {
  options.runtime ??= "bun";
  options.driver ??= matrix.find(({ runtime }) => runtime === options.runtime)?.driver;
}

setup();
const work = mkdtempSync(join(tmpdir(), "vircommand-tests-"));
chmodSync(work, 0o755);
const total = { passed: 0, failed: 0, skipped: 0 };
const reasons = new Map();
/** The outcome of each feature on each driver. */
const seen = [];
/** The tests that failed and passed when they were run again. */
const unsteady = [];

function files(folder, ending = ".test.ts") {
  const path = fileURLToPath(new URL(`tests/${folder}/`, root));
  if (!existsSync(path)) return [];
  const chosen = (name) =>
    options.parts.length === 0
      ? !options.quick || !THOROUGH.some((each) => name === `${each}${ending}`)
      : options.parts.some((part) => `${folder}/${name}`.includes(part));
  return readdirSync(path).filter((name) => name.endsWith(ending) && chosen(name))
    .sort().map((name) => `./tests/${folder}/${name}`);
}

/** Runs test files on a runtime, in a folder of their own. */
function runFiles(name, list, env, prefix) {
  const runtime = runtimes[name];
  const place = mkdtempSync(join(work, "group-"));
  const temp = join(place, "tmp");
  const report = join(place, "report.xml");
  const skips = join(place, "skips");
  const support = join(place, "support");
  chmodSync(place, 0o777);
  spawnSync("mkdir", ["-m", "1777", temp]);
  for (const file of [skips, support]) {
    writeFileSync(file, "");
    chmodSync(file, 0o666);
  }
  const command = [...prefix, runtime.binary, ...runtime.test(list, report)];
  const outcome = spawnSync(command[0], command.slice(1), {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 1 << 28,
    timeout: LIMIT_MS,
    killSignal: "SIGKILL",
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...process.env,
      NO_COLOR: "1",
      TMPDIR: temp,
      VIRCOMMAND_TEST_TEMP: temp,
      DENO_DIR: join(place, "deno"),
      BUN_INSTALL_CACHE_DIR: join(place, "bun"),
      // Without this cache, each of hundreds of Node processes would strip all types again.
      NODE_COMPILE_CACHE: join(place, "node"),
      VIRCOMMAND_TEST_SKIPS: skips,
      VIRCOMMAND_TEST_SUPPORT: support,
      VIRCOMMAND_TEST_RUNTIME: name,
      ...env,
    },
  });
  const linesOf = (file) => readFileSync(file, "utf8").split("\n").filter(Boolean);
  return {
    ...outcome,
    cases: existsSync(report) ? parseReport(readFileSync(report, "utf8")) : [],
    notes: linesOf(skips),
    supportLines: linesOf(support),
  };
}

/** More failures than this are no coincidence. */
const MOST_REPEATED = 3;

/**
 * Runs the files of a few failed tests once more. Returns the names of those that pass then: under
 * load, one of thousands of tests of processes may fail by chance. The output names each.
 */
function repeated(failed, name, env, prefix) {
  const list = [...new Set(failed.map(({ file }) => file))];
  if (failed.length > MOST_REPEATED || list.includes(undefined)) return new Set();
  const { cases } = runFiles(name, list, env, prefix);
  const passed = cases.filter(({ failure, skipped }) => failure === undefined && !skipped);
  const names = new Set(passed.map((each) => each.name));
  return new Set(failed.map((each) => each.name).filter((each) => names.has(each)));
}

/** Runs the test files on a runtime and adds the results to the total. */
function group(title, name, list, env = {}, prefix = []) {
  if (list.length === 0) return;
  const began = performance.now();
  const { cases, notes, supportLines, ...outcome } = runFiles(name, list, env, prefix);
  const { status, signal, stdout, stderr, error } = outcome;
  const failed = cases.filter((each) => each.failure !== undefined);
  const again = failed.length === 0 ? new Set() : repeated(failed, name, env, prefix);
  // Tests that were skipped while they ran, because the driver does not have the feature.
  const late = notes.filter((line) => line.startsWith(LATE)).length;
  const skipped = cases.filter((each) => each.skipped).length + late;
  const problems = failed.filter((each) => !again.has(each.name))
    .map((each) => `${each.name}\n${indent(each.failure)}`);
  const passed = cases.length - problems.length - skipped;
  const ended = error?.message ?? signal ?? `status ${status}`;
  // Deno reports success even if a file throws while it is loaded.
  const uncaught = /^.*\(uncaught error\).*$/m.exec(stdout + stderr)?.[0];
  if (uncaught !== undefined) problems.push(`${uncaught}\n${indent(tail(stdout + stderr))}`);
  // A runner that dies, or runs no test, has failed, whatever it reported.
  if (cases.length === 0 || (status !== 0 && failed.length === 0)) {
    problems.push(`the runner ended with ${ended}\n${indent(tail(stdout + stderr))}`);
  }
  total.passed += passed;
  total.failed += problems.length;
  total.skipped += skipped;
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const counts = `${passed} passed, ${problems.length} failed, ${skipped} skipped`;
  console.log(`${title.padEnd(34)} ${counts} (${seconds} s)`);
  for (const problem of problems) console.log(indent(`FAILED ${problem}`));
  for (const each of failed.filter(({ name }) => again.has(name))) {
    unsteady.push(`${title}: ${each.name}`);
    console.log(indent(`FAILED ONCE, passed when run again: ${each.name}\n${each.failure}`));
  }
  for (const line of supportLines) seen.push(JSON.parse(line));
  for (const line of notes) {
    // Many tests have the same reason: a feature that the driver does not have.
    const reason = line.startsWith(LATE) ? line.slice(line.lastIndexOf(": ") + 2) : line;
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }
}

/** Counts the results of checks that do not use a test runner. */
function count(title, began, { tried, problems, skipped }) {
  total.passed += tried - problems.length;
  total.failed += problems.length;
  total.skipped += skipped.length;
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const counts = `${tried - problems.length} passed, ${problems.length} failed`;
  console.log(`${title.padEnd(34)} ${counts}, ${skipped.length} skipped (${seconds} s)`);
  for (const reason of skipped) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
}

/** Reports whether a part of the run that is not a test file is selected. */
function wantsPart(name) {
  return options.parts.length === 0 || options.parts.some((part) => name.includes(part));
}

/** Injects the same few faults each time. `npm run inject` tries all. */
async function injectSample() {
  for (const { runtime, driver } of injected) {
    if (!wants(runtime, driver)) continue;
    const began = performance.now();
    const { tried, findings, skipped } = await inject({ runtime, driver }, { sample: 12 });
    const why = skipped.map((each) => `${each.scenario}: ${each.skipped}`);
    count(`faults, ${runtime} ${driver}`, began, { tried, problems: findings, skipped: why });
    for (const each of grouped(findings)) console.log(indent(`FAILED ${each}`));
  }
}

/** Compares the same few commands each time. `npm run fuzz` tries others. */
function fuzzSample() {
  const reason = needsOfFuzz();
  const began = performance.now();
  const chosen = pairs.filter(([{ runtime, driver }]) => wants(runtime, driver));
  if (chosen.length === 0) return;
  if (reason !== undefined) {
    return count("random commands", began, { tried: 0, problems: [], skipped: [reason] });
  }
  const { compared, differences } = fuzz({ count: 120, seed: "sample", chosen });
  count("random commands", began, { tried: compared, problems: differences, skipped: [] });
  for (const each of differences) console.log(indent(`FAILED ${shown(each)}`));
}

/** Runs the basic checks on every supported release of the runtimes. */
/** Checks the package in bundlers, single-file programs and test runners. */
async function checkBundlesPart() {
  await checkBundles(({ name, passed, problems, skipped, seconds }) => {
    const began = performance.now() - seconds * 1000;
    count(name, began, { tried: passed + problems.length, problems, skipped });
    for (const each of problems) console.log(indent(`FAILED ${each}`));
  });
}

function checkVersions(module) {
  const problem = installVersions();
  if (problem !== undefined) {
    const began = performance.now();
    return count("older releases", began, { tried: 0, problems: [], skipped: [problem] });
  }
  for (const version of versions()) {
    const began = performance.now();
    const { driver, passed, problems, skipped } = checkVersion(version, module);
    const tried = passed + problems.length;
    const title = `${version.name}, ${driver?.split(" ")[0] ?? "no driver"}`;
    const why = skipped.map((each) => `${version.name}: ${each}`);
    count(title, began, { tried, problems, skipped: why });
    for (const each of problems) console.log(indent(`FAILED ${each}`));
  }
}

/** Checks that the tables of docs/support.md match the results of the suite. */
function checkSupport() {
  const file = new URL("docs/support.md", root);
  const text = supportPage(seen, matrix);
  if (process.argv.includes("--write-support")) writeFileSync(file, text);
  // The formatter decides the widths of columns and the ends of lines, so they are not compared.
  const words = (page) => page.replaceAll(/-{3,}/g, "---").replaceAll(/\s+/g, " ");
  if (existsSync(file) && words(readFileSync(file, "utf8")) === words(text)) {
    total.passed++;
    return;
  }
  total.failed++;
  console.log(indent("FAILED docs/support.md is not what was seen: npm test -- --write-support"));
}

function indent(text) {
  return text.trimEnd().split("\n").map((line) => `    ${line}`).join("\n");
}

function tail(text) {
  return text.slice(-4000);
}

const wants = (runtime, driver) =>
  (options.runtime === undefined || options.runtime === runtime) &&
  (options.driver === undefined || driver === undefined || options.driver === driver);

try {
  // Only root can try all features, and only a full run tries all drivers.
  const whole = process.getuid?.() === 0 && args0.length === 0;
  const pure = [...files("core"), ...files("backends")];
  if (!options.user) {
    for (const name of ["deno", "bun", "node26"]) {
      if (wants(name)) group(`core and backends, ${name}`, name, pure);
    }
  }
  const suite = files("conformance");
  for (const { runtime, driver } of matrix) {
    if (options.user || !wants(runtime, driver)) continue;
    group(`${runtime} ${driver}`, runtime, suite, { VIRCOMMAND_DRIVER: driver });
  }
  if (whole) checkSupport();
  const others = !options.user && !options.quick;
  if (others && wantsPart("injection")) await injectSample();
  if (others && wantsPart("fuzz")) fuzzSample();
  if (others && wants("package") && files("package", ".test.mjs").length > 0) {
    const folder = join(work, "package");
    buildPackage(folder);
    const env = { VIRCOMMAND_PACKAGE: new URL(`file://${folder}/mod.js`).href };
    const { stdout } = spawnSync(runtimes.own.binary, ["--version"], { encoding: "utf8" });
    const title = `the package, the machine's own node ${stdout.trim()}`;
    group(title, "own", files("package", ".test.mjs"), env);
    group("the package, node22", "node22", files("package", ".test.mjs"), env);
  }
  if (others && options.runtime === undefined && wantsPart("bundles")) await checkBundlesPart();
  if (others && options.runtime === undefined && wantsPart("versions")) {
    const folder = join(work, "versions");
    buildPackage(folder);
    checkVersions(join(folder, "mod.js"));
  }
  for (const { runtime, driver, asUser = false } of matrix) {
    if (!asUser || options.quick || !wants(runtime, driver)) continue;
    const title = `${runtime} ${driver}, ordinary user`;
    if (process.getuid?.() !== 0) {
      total.skipped++;
      reasons.set(`${title}: this is an ordinary user already`, 1);
      continue;
    }
    const list = suite.filter((file) => !FOR_ANY_USER.some((each) => file.includes(`/${each}.`)));
    const drop = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
    group(title, runtime, list, { VIRCOMMAND_DRIVER: driver, HOME: work }, drop);
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}

if (reasons.size > 0) console.log("\nskipped:");
for (const [reason, count] of [...reasons].sort()) console.log(`  ${count} × ${reason}`);
if (unsteady.length > 0) console.log("\nfailed once, and passed when run again:");
for (const each of unsteady) console.log(`  ${each}`);
const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : "";
const line = `${total.passed} passed, ${total.failed} failed${skipped}`;
if (process.env.VIRCOMMAND_COUNTS) appendFileSync(process.env.VIRCOMMAND_COUNTS, `${line}\n`);
console.log(`\n${line}`);
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;
