// Fault injection: makes each call of the parent and each operation of the child fail once, and
// checks that nothing is left behind. `npm run inject` is this.
//
//   node scripts/inject.mjs [--runtime NAME] [--driver NAME] [--sample N] [--seed N] [scenario …]
//
// One process per driver (tests/injection/main.ts) tries the faults one after another. If the
// kernel allows it, the process runs in its own pid namespace, so that all processes in it can be
// counted. A fault that ends or stops the process is also a finding. The process is then started
// again after that fault.

import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { root, runtimes } from "./runtimes.mjs";

/** The pairs on which faults are injected. The portable driver makes no calls itself. */
export const injected = [
  { runtime: "node26", driver: "native" },
  { runtime: "bun", driver: "native" },
  { runtime: "deno", driver: "native" },
  { runtime: "node26", driver: "launcher" },
  { runtime: "node24", driver: "launcher" },
  { runtime: "bun", driver: "launcher" },
];

/** A process that prints nothing for this long has hung. */
const SILENCE_MS = 30_000;

const main = fileURLToPath(new URL("tests/injection/main.ts", root));

let isolated;

/** Reports whether processes can be started in their own pid namespace. */
function canIsolate() {
  isolated ??= spawnSync("unshare", ["--pid", "--fork", "--mount-proc", "true"]).status === 0;
  return isolated;
}

/** Injects faults on one pair. Returns { tried, findings, skipped }. */
export async function inject({ runtime, driver }, { sample, seed = 1, only } = {}) {
  const result = { tried: 0, hit: 0, findings: [], skipped: [] };
  const temp = mkdtempSync(join(tmpdir(), "vircommand-injection-"));
  try {
    let after;
    for (;;) {
      const order = { sample, seed, only, after, alone: canIsolate() };
      const ended = await attempt({ runtime, driver }, order, temp, result);
      if (ended.done) return result;
      if (ended.at === undefined) {
        result.findings.push({ scenario: "-", fault: "none", problems: [ended.how] });
        return result;
      }
      // The process itself has already reported the hang.
      if (!ended.reported) {
        const { scenario, begins } = ended.at;
        result.tried++;
        result.findings.push({ scenario, fault: begins, problems: [ended.how] });
      }
      after = { scenario: ended.at.scenario, number: ended.at.number };
    }
  } finally {
    rmSync(temp, { recursive: true, force: true });
  }
}

function attempt({ runtime, driver }, order, temp, result) {
  const { binary, run } = runtimes[runtime];
  const program = [binary, ...run(main, driver, JSON.stringify(order))];
  // The first process of a namespace must reap orphans. A shell does that, a runtime does not.
  const shell = ["sh", "-c", '"$@"; exit $?', "sh"];
  const prefix = order.alone ? ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"] : [];
  const [file, ...args] = [...prefix, ...shell, ...program];
  const child = spawn(file, args, {
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
    env: { ...process.env, TMPDIR: temp, NO_COLOR: "1", VIRCOMMAND_DRIVER: driver },
  });
  let at;
  let reported = false;
  let done = false;
  let silent = false;
  let errors = "";
  let timer;
  const stop = () => {
    silent = true;
    try {
      process.kill(-child.pid, "SIGKILL");
    } catch {
      // The process has already ended.
    }
  };
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(stop, SILENCE_MS);
  };
  wait();
  child.stderr.on("data", (chunk) => errors = (errors + chunk).slice(-4000));
  createInterface({ input: child.stdout }).on("line", (line) => {
    wait();
    let said;
    try {
      said = JSON.parse(line);
    } catch {
      return;
    }
    if (said.done) done = true;
    if (said.skipped !== undefined) result.skipped.push(said);
    if (said.begins !== undefined) [at, reported] = [said, false];
    if (said.fault !== undefined) {
      reported = true;
      result.tried++;
      if (said.hit) result.hit++;
      if (said.problems.length > 0) result.findings.push(said);
    }
  });
  return new Promise((resolve) => {
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      const end = silent ? "it stands still" : `the process ended: ${signal ?? code}`;
      resolve({ done, at, reported, how: `${end}${errors === "" ? "" : `\n${errors}`}` });
    });
  });
}

/** Formats the findings and groups equal ones. */
export function grouped(findings) {
  const groups = new Map();
  for (const { scenario, fault, problems } of findings) {
    for (const problem of problems) {
      const kind = fault.replace(/^(\w+) \d+/, "$1");
      const what = problem.replaceAll(/\d+ → (\w+):\[\d+\]/g, "$1").replaceAll(/\b\d{2,}\b/g, "N");
      const key = `${kind}: ${what}`;
      groups.set(key, [...(groups.get(key) ?? []), `${scenario} [${fault}]`]);
    }
  }
  return [...groups].sort(([a], [b]) => a < b ? -1 : 1).map(([key, places]) =>
    `${places.length} × ${key}\n${places.slice(0, 3).map((each) => `      ${each}`).join("\n")}`
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const options = {};
  const wanted = {};
  const args = process.argv.slice(2);
  while (args.length > 0) {
    const arg = args.shift();
    if (arg === "--runtime") wanted.runtime = args.shift();
    else if (arg === "--driver") wanted.driver = args.shift();
    else if (arg === "--sample") options.sample = Number(args.shift());
    else if (arg === "--seed") options.seed = Number(args.shift());
    else (options.only ??= []).push(arg);
  }
  let failed = 0;
  let passed = 0;
  for (const pair of injected) {
    if ((wanted.runtime ?? pair.runtime) !== pair.runtime) continue;
    if ((wanted.driver ?? pair.driver) !== pair.driver) continue;
    const began = performance.now();
    const { tried, hit, findings, skipped } = await inject(pair, options);
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    const counts = `${tried} faults, ${hit} met, ${findings.length} findings (${seconds} s)`;
    console.log(`${pair.runtime} ${pair.driver}: ${counts}`);
    for (const { scenario, skipped: why } of skipped) {
      console.log(`  not here: ${scenario}: ${why}`);
    }
    for (const each of grouped(findings)) console.log(`  ${each}`);
    failed += findings.length;
    passed += tried - findings.length;
  }
  console.log(`\n${passed} passed, ${failed} failed`);
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
}
