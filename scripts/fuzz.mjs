// Differential fuzzing: runs random commands on pairs of runtime and driver, which must give the
// same results. `npm run fuzz` is this.
//
//   node scripts/fuzz.mjs [--count N] [--seed TEXT] [--pair RUNTIME:DRIVER …]
//
// Prints each difference with the smallest command that still shows it.

import { spawnSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { root, runtimes } from "./runtimes.mjs";

const NATIVE = { runtime: "node26", driver: "native" };
const LAUNCHER = { runtime: "node26", driver: "launcher" };

/** The pairs that are compared. */
export const pairs = [
  [LAUNCHER, NATIVE],
  [{ runtime: "bun", driver: "native" }, NATIVE],
  [{ runtime: "deno", driver: "native" }, NATIVE],
  [{ runtime: "bun", driver: "launcher" }, { runtime: "bun", driver: "native" }],
  [{ runtime: "node24", driver: "launcher" }, LAUNCHER],
  [{ runtime: "node22", driver: "launcher" }, LAUNCHER],
];

/** The number of commands that one process runs. */
const BATCH = 100;

/** The ways to start a process. Batches use them in turn. */
const MANNERS = [
  "",
  "exec 0<&-",
  "umask 077; ulimit -c 0",
  "exec 1>&-",
  "ulimit -S -n 256",
  "exec 2>&-",
];

const main = fileURLToPath(new URL("tests/fuzz/main.ts", root));
const nameOf = ({ runtime, driver }) => `${runtime} ${driver}`;

/** Runs the commands on one runtime and driver. Returns the outcomes up to the first crash. */
function cook({ runtime, driver }, order, manner) {
  const place = mkdtempSync(join(tmpdir(), "vircommand-fuzz-"));
  chmodSync(place, 0o755);
  const [out, err] = ["out", "err"].map((name) => openSync(join(place, name), "a"));
  try {
    const whole = { ...order, driver, folder: join(place, "f"), out: join(place, "outcomes") };
    const { binary, run } = runtimes[runtime];
    const program = [binary, ...run(main, JSON.stringify(whole))];
    const { status, signal } = spawnSync("sh", ["-c", `${manner}\nexec "$@"`, "sh", ...program], {
      stdio: ["ignore", out, err],
      timeout: 10 * 60_000,
      killSignal: "SIGKILL",
      env: {
        PATH: process.env.PATH,
        HOME: "/",
        LANG: "C.UTF-8",
        FUZZ: "of the parent",
        FUZZ_EMPTY: "",
        NO_COLOR: "1",
        DENO_NO_UPDATE_CHECK: "1",
      },
    });
    const text = existsSync(whole.out) ? readFileSync(whole.out, "utf8") : "";
    const outcomes = text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
    if (status !== 0) {
      const errors = readFileSync(join(place, "err"), "utf8").slice(-1500);
      outcomes.push({ outcome: [`the process ended: ${signal ?? status}`, errors] });
    }
    return outcomes;
  } finally {
    closeSync(out);
    closeSync(err);
    rmSync(place, { recursive: true, force: true });
  }
}

function same(some, other) {
  return JSON.stringify(some) === JSON.stringify(other);
}

/** Reduces a recipe to the parts that are needed for the difference. */
function reduce(recipe, differs) {
  let least = recipe;
  for (let again = true; again;) {
    again = false;
    for (const smaller of smallerThan(least)) {
      if (!differs(smaller)) continue;
      least = smaller;
      again = true;
      break;
    }
  }
  return least;
}

function* smallerThan(recipe) {
  for (const [key, value] of Object.entries(recipe)) {
    if (key !== "what" && key !== "verb") {
      const { [key]: _, ...others } = recipe;
      yield others;
    }
    if (!Array.isArray(value)) continue;
    for (let i = 0; i < value.length; i++) {
      yield { ...recipe, [key]: [...value.slice(0, i), ...value.slice(i + 1)] };
    }
  }
}

/** Returns what the reporter program needs and this machine does not have, if anything. */
export function needsOfFuzz() {
  return existsSync("/usr/bin/perl") ? undefined : "random commands need /usr/bin/perl";
}

/** Reports whether one side may refuse what the other side accepts. */
function isRefused({ runtime, driver }, outcome) {
  return runtime === "bun" && driver === "launcher" && outcome?.[0] === "UnsupportedError passFd";
}

/** Compares the pairs. Returns how many commands ran on each, and the differences. */
export function fuzz({ count = 500, seed = "1", chosen = pairs, most = 12, minimal = true } = {}) {
  const differences = [];
  let compared = 0;
  for (let from = 0; from < count; from += BATCH) {
    const manner = MANNERS[(from / BATCH) % MANNERS.length];
    const order = { seed, from, count: Math.min(BATCH, count - from) };
    const known = new Map();
    const outcomesOf = (side) => {
      const key = nameOf(side);
      if (!known.has(key)) known.set(key, cook(side, order, manner));
      return known.get(key);
    };
    for (const [left, right] of chosen) {
      const [some, others] = [outcomesOf(left), outcomesOf(right)];
      for (let i = 0; i < Math.max(some.length, others.length); i++) {
        const [one, other] = [some[i]?.outcome, others[i]?.outcome];
        compared++;
        if (same(one, other) || isRefused(left, one)) continue;
        const recipe = some[i]?.recipe ?? others[i]?.recipe;
        const difference = { left, right, manner, recipe, one, other, index: from + i };
        if (minimal && recipe !== undefined && differences.length < most) {
          const run = (side, small) => cook(side, { recipes: [small] }, manner)[0]?.outcome;
          const differs = (small) => !same(run(left, small), run(right, small));
          // A difference that does not happen every time is reported without reducing it.
          difference.repeats = differs(recipe);
          if (difference.repeats) {
            difference.recipe = reduce(recipe, differs);
            difference.one = run(left, difference.recipe);
            difference.other = run(right, difference.recipe);
          }
        }
        differences.push(difference);
        if (one === undefined || other === undefined) break;
      }
    }
  }
  return { compared, differences };
}

/** Formats a difference. */
export function shown({ left, right, manner, recipe, one = [], other = [], index, repeats }) {
  const only = (some, others) => some.filter((line) => !others.includes(line));
  const once = repeats === false ? ", which did not happen again" : "";
  return [
    `${nameOf(left)} against ${nameOf(right)}, command ${index}${once}`,
    ...(manner === "" ? [] : [`    started after: ${manner}`]),
    `    ${JSON.stringify(recipe)}`,
    ...only(one, other).map((line) => `  < ${line}`),
    ...only(other, one).map((line) => `  > ${line}`),
    ...(only(one, other).length + only(other, one).length === 0 ? ["  in another order"] : []),
  ].join("\n").replaceAll(/(.)\1{40,}/gu, (all, one) => `${one}…${all.length}`).slice(0, 3000);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const options = {};
  const args = process.argv.slice(2);
  while (args.length > 0) {
    const arg = args.shift();
    if (arg === "--count") options.count = Number(args.shift());
    else if (arg === "--seed") options.seed = args.shift();
    else if (arg === "--as-it-is") options.minimal = false;
    else if (arg === "--pair") {
      const name = args.shift().replace(":", " ");
      options.chosen = [
        ...options.chosen ?? [],
        ...pairs.filter(([left]) => nameOf(left) === name),
      ];
    } else throw new Error(`unknown argument ${arg}`);
  }
  const began = performance.now();
  const { compared, differences } = fuzz(options);
  for (const each of differences) console.log(`${shown(each)}\n`);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(`${compared} comparisons, ${differences.length} differences (${seconds} s)`);
  console.log(`\n${compared - differences.length} passed, ${differences.length} failed`);
  process.exitCode = differences.length > 0 || compared === 0 ? 1 : 0;
}
