// Runs tests on kernels that this machine does not have, in emulated machines.
//
//   node scripts/vm/main.mjs [--verbose] [--runtime NAME] [--driver NAME] [--all] [--write-seen]
//     [guest …]
//
// Without a name: the guests that CI runs, one after the other, in ten minutes altogether; those
// that would come later are skipped. One that is named has more time. What cannot be had (no emulator, no packages) is a skip as
// well. What was downloaded and made is kept in $VIRCOMMAND_VM_CACHE, by default in
// ~/.cache/vircommand-vm.
//
// `--all` is for all pairs of runtime and driver that docs/support.md has columns for;
// `--write-seen` writes down what works there, and only there, for that page.

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { basename, join } from "node:path";
import { parseReport } from "../junit.mjs";
import { runtimes } from "../runtimes.mjs";
import { setup } from "../setup.mjs";
import { elsewhere } from "../support.mjs";
import { hasProgram, Unavailable } from "./apt.mjs";
import { allPairs, guests, kernels } from "./guests.mjs";
import { kernelFiles, packagesDisk, projectDisk, runtimesDisk } from "./images.mjs";
import { boot, emulator } from "./qemu.mjs";

/** What CI has for all guests, and by how much longer one may take that was named. */
const [CI_SECONDS, PATIENCE] = [10 * 60, 6];

/** With less time than this, a guest would not come to its first test. */
const LEAST_SECONDS = 60;

/** What the harness puts before a line about a test that was skipped while it ran. */
const LATE = "late: ";

const options = {
  verbose: false,
  all: false,
  writeSeen: false,
  runtime: undefined,
  driver: undefined,
  names: [],
};
const args = process.argv.slice(2);
while (args.length > 0) {
  const arg = args.shift();
  if (arg === "--verbose") options.verbose = true;
  else if (arg === "--all") options.all = true;
  else if (arg === "--write-seen") options.writeSeen = true;
  else if (arg === "--runtime") options.runtime = args.shift();
  else if (arg === "--driver") options.driver = args.shift();
  else if (guests[arg] !== undefined) options.names.push(arg);
  else {
    console.error(`no guest ${arg}; there are ${Object.keys(guests).join(", ")}`);
    process.exit(2);
  }
}
const byName = options.names.length > 0;
if (!byName) options.names = Object.keys(guests).filter((name) => guests[name].ci);

const base = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
const cache = process.env.VIRCOMMAND_VM_CACHE || join(base, "vircommand-vm");
const began = performance.now();
const total = { passed: 0, failed: 0, skipped: 0 };
const reasons = new Map();

/** Seconds that are left for all guests. */
function left() {
  return byName ? Infinity : CI_SECONDS - (performance.now() - began) / 1000;
}

/** The pairs of runtime and driver that are wanted of a guest. */
function pairsOf({ pairs }) {
  const { all, runtime, driver } = options;
  return (all ? allPairs : pairs)
    .filter((each) => [undefined, each.runtime].includes(runtime))
    .filter((each) => [undefined, each.driver].includes(driver));
}

/** What the guest runs, each with a name of its own. */
function jobsOf({ files, pairs, prepare, apart = false }) {
  const scripts = prepare === undefined ? [] : [`scripts/vm/guest/${prepare}`];
  const prepared = scripts.map((script) => ({ name: "prepare", command: [`./${script}`] }));
  const parts = apart ? files.map((file) => [file]) : [files];
  const tests = pairs.flatMap(({ runtime, driver }) =>
    parts.map((part) => {
      const file = apart ? ` ${basename(part[0], ".test.ts")}` : "";
      const name = `${runtime} ${driver}${file}`;
      return { name, command: testCommand(name, runtime, driver, part) };
    })
  );
  return [...prepared, ...tests];
}

function testCommand(name, runtime, driver, files) {
  return [
    // Node strips types with WebAssembly, whose code V8 compiles and changes in other threads while
    // it runs. On two emulated processors this sometimes crashes.
    ...(runtime.startsWith("node") ? ["taskset", "-c", "0"] : []),
    "env",
    "NO_COLOR=1",
    "DENO_DIR=/tmp/deno",
    "DENO_NO_UPDATE_CHECK=1",
    "BUN_INSTALL_CACHE_DIR=/tmp/bun",
    "NODE_COMPILE_CACHE=/tmp/node",
    "VIRCOMMAND_TEST_PATIENCE=4",
    `VIRCOMMAND_DRIVER=${driver}`,
    `VIRCOMMAND_TEST_RUNTIME=${runtime}`,
    `VIRCOMMAND_TEST_SKIPS=/out/${name}/skips`,
    `VIRCOMMAND_TEST_SUPPORT=/out/${name}/support`,
    ...inGuest(runtime, files, `/out/${name}/report.xml`),
  ];
}

/** The command of a runtime's test runner, with the paths that it has there. */
function inGuest(name, files, report) {
  const { binary, test } = runtimes[name];
  const place = binary.slice(binary.lastIndexOf("/node_modules/"));
  const args = test(files.map((file) => `./${file}`), report);
  // One process for all files: each start takes seconds.
  const isolation = name === "node22" ? "--experimental-test-isolation" : "--test-isolation";
  if (name.startsWith("node")) args.splice(1, 0, `${isolation}=none`);
  return [`/vc${place}`, ...args];
}

const quoted = (word) => `'${word.replaceAll("'", "'\\''")}'`;

/** Runs a guest, and counts. */
function run(name) {
  const guest = { ...guests[name], pairs: pairsOf(guests[name]) };
  if (byName) guest.seconds *= PATIENCE;
  const { arch } = kernels[guest.kernel];
  const start = performance.now();
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const problems = [];
  const notes = [];
  const skip = (reason, count = 1) => {
    counts.skipped += count;
    reasons.set(reason, (reasons.get(reason) ?? 0) + count);
  };
  const folder = mkdtempSync(join(tmpdir(), "vircommand-vm-"));
  let made;
  try {
    const jobs = jobsOf(guest);
    const files = make(guest, arch, folder, jobs);
    made = performance.now();
    const seconds = Math.min(guest.seconds, left());
    const short = seconds < guest.seconds;
    if (seconds < LEAST_SECONDS) throw new Unavailable("the time for all guests is over");
    const outcome = boot(folder, { ...guest, ...files, arch }, seconds);
    if (options.verbose) console.log(`${outcome.log.trimEnd()}\n${outcome.console.trimEnd()}`);
    const missing = jobs.filter(({ name }) => !outcome.jobs.includes(name));
    for (const job of missing) {
      const said = tail(outcome.log + outcome.console);
      // Less time than the guest should have had is no failure of its own; nor is a machine that
      // emulates too slowly, where nobody has asked for this guest.
      if (short) skip(`${name}, ${job.name}: the time for all guests is over`);
      else if (!byName) skip(`${name}, ${job.name}: it did not end in time, in emulation`);
      else problems.push(`${job.name} did not come to its end (${outcome.ended})\n${said}`);
    }
    for (const job of jobs.filter((each) => !missing.includes(each))) {
      const result = join(outcome.results, job.name);
      judge(job, result, counts, problems);
      if (existsSync(join(result, "repeated"))) {
        notes.push(`${job.name}: run twice, since a process crashed the first time`);
      }
      if (options.writeSeen) notice(guest, join(result, "support"));
    }
  } catch (error) {
    if (error instanceof Unavailable) skip(`guest ${name}: ${error.message}`);
    else problems.push(error.stack);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  counts.failed = problems.length;
  for (const each of Object.keys(total)) total[each] += counts[each];
  const seconds = (from, to = performance.now()) => ((to - from) / 1000).toFixed(1);
  const title = `${guest.title}, Linux ${guest.kernel}`;
  const summary = `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`;
  console.log(`${title.padEnd(34)} ${summary} (${seconds(start)} s)`);
  if (options.verbose && made !== undefined) console.log(`    disks ${seconds(start, made)} s`);
  for (const note of notes) console.log(`    ${note}`);
  for (const problem of problems) console.log(indent(`FAILED ${problem}`));
}

/** Whatever a guest is made of; an Unavailable if that cannot be had. */
function make(guest, arch, folder, jobs) {
  for (const program of [emulator(arch), "apt-get", "dpkg-deb", "mke2fs", "tar"]) {
    if (!hasProgram(program)) throw new Unavailable(`${program} is not installed`);
  }
  if (left() < LEAST_SECONDS) throw new Unavailable("the time for all guests is over");
  mkdirSync(cache, { recursive: true });
  const names = guest.pairs.map(({ runtime }) => runtime);
  const limit = guest.apart ? 900 : Math.floor(guest.seconds / 2);
  const lines = jobs.map(({ name, command }) =>
    ["job", quoted(name), limit, ...command.map(quoted)].join(" ")
  );
  return {
    ...kernelFiles(cache, folder, guest.kernel),
    disks: [
      packagesDisk(cache, arch),
      projectDisk(folder, `${lines.join("\n")}\n`),
      runtimesDisk(cache, arch, names),
    ],
  };
}

/** Counts what came of a job. */
function judge({ name }, folder, counts, problems) {
  const read = (file) =>
    existsSync(join(folder, file)) ? readFileSync(join(folder, file), "utf8") : "";
  const status = Number(read("status"));
  const output = read("output");
  if (name === "prepare") {
    if (status === 0) counts.passed++;
    else problems.push(`the preparation ended with status ${status}\n${tail(output)}`);
    return;
  }
  const cases = parseReport(read("report.xml"));
  const notes = read("skips").split("\n").filter(Boolean);
  const late = notes.filter((line) => line.startsWith(LATE)).length;
  const failed = cases.filter((each) => each.failure !== undefined);
  const skipped = cases.filter((each) => each.skipped).length + late;
  counts.passed += cases.length - failed.length - skipped;
  counts.skipped += skipped;
  for (const line of notes) {
    const reason = line.slice(line.lastIndexOf(": ") + 2);
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }
  for (const each of failed) problems.push(`${name}: ${each.name}\n${indent(each.failure)}`);
  if (cases.length === 0 || (status !== 0 && failed.length === 0)) {
    problems.push(`${name}: the runner ended with status ${status}\n${tail(output)}`);
  }
}

/** Writes down which of the features that depend on the kernel were seen to work. */
function notice({ features = [], where }, file) {
  if (!existsSync(file)) return;
  const seen = JSON.parse(readFileSync(elsewhere, "utf8"));
  for (const line of readFileSync(file, "utf8").split("\n").filter(Boolean)) {
    const { name, driver, feature, outcome } = JSON.parse(line);
    if (outcome !== "works" || !features.includes(feature)) continue;
    const same = (each) => each.name === name && each.driver === driver && each.feature === feature;
    const others = seen.filter((each) => !same(each));
    seen.splice(0, seen.length, ...others, { feature, driver, name, where });
  }
  const place = (each) => [each.feature, each.driver, each.name].join();
  seen.sort((a, b) => place(a) < place(b) ? -1 : 1);
  writeFileSync(elsewhere, `${JSON.stringify(seen, null, 2)}\n`);
}

function indent(text) {
  return text.trimEnd().split("\n").map((line) => `    ${line}`).join("\n");
}

function tail(text) {
  return text.slice(-4000);
}

setup();
for (const name of options.names) run(name);
if (reasons.size > 0) console.log("\nskipped:");
for (const [reason, count] of [...reasons].sort()) console.log(`  ${count} × ${reason}`);
const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : "";
console.log(`\n${total.passed} passed, ${total.failed} failed${skipped}`);
process.exitCode = total.failed > 0 ? 1 : 0;
