/**
 * Fault injection on one driver: runs scenarios with one fault after the other, and says after
 * each what was wrong. One line of JSON on standard output for each; scripts/inject.mjs starts
 * this, and starts it again behind a fault that ended or stopped it.
 *
 * Arguments: the driver, and as JSON what scripts/inject.mjs asks for.
 *
 * @module
 */

import { AssertionError } from "@std/assert";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { stripVTControlCharacters } from "node:util";
import { type Backend, backend, useBackend } from "../../core/backend.ts";
import type { DriverName } from "../../core/drivers.ts";
import { Command, CommandError, ExitError, SpawnError, UnsupportedError } from "../../mod.ts";
import { type Census, census, killHard, pause } from "../support/harness.ts";
import { random } from "../support/random.ts";
import { faultyBackend } from "./backends.ts";
import { during, type Fault, faultsOf, replaceFiles, trace } from "./faults.ts";
import { type Scenario, SCENARIOS } from "./scenarios.ts";

/** What is asked for. */
interface Order {
  /** Scenarios by their names; all of them by default. */
  readonly only?: readonly string[];
  /** Faults of each scenario, chosen by the seed; all of them by default. */
  readonly sample?: number;
  readonly seed: number;
  /** Goes on behind that fault of that scenario. */
  readonly after?: { readonly scenario: string; readonly number: number };
  /** Whether no other processes can be seen but ours, and one that waits for us. */
  readonly alone: boolean;
}

/** After so many milliseconds a run without a result hangs. */
const PATIENCE = 12_000;

const driver = process.argv[2] as DriverName;
const order = JSON.parse(process.argv[3] ?? "") as Order;

const strays: string[] = [];
process.on("unhandledRejection", (error) => strays.push(`unhandled rejection: ${String(error)}`));
process.on("uncaughtException", (error) => strays.push(`uncaught exception: ${String(error)}`));

/** All that a run can leave behind. */
interface Left extends Census {
  readonly files: ReadonlySet<string>;
  readonly processes: ReadonlySet<string>;
}

const folder = mkdtempSync(join(tmpdir(), "vircommand-inject-"));
const temp = join(folder, "tmp");
mkdirSync(temp);
process.env["TMPDIR"] = temp;

function left(): Left {
  const files = new Set(readdirSync(folder, { recursive: true }).map(String));
  return { ...census(), files, processes: order.alone ? processes() : new Set() };
}

function processes(): Set<string> {
  const seen = new Set<string>();
  for (const pid of readdirSync("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      const status = readFileSync(`/proc/${pid}/status`, "utf8");
      const [, name, state] = /^Name:\s+(.*)\n[^]*?^State:\s+(\S)/m.exec(status) ?? [];
      // Orphans that have ended are nobody's fault; ours are children, and counted as such.
      if (state !== "Z") seen.add(`${pid} (${name})`);
    } catch {
      // It has ended meanwhile.
    }
  }
  return seen;
}

function difference(before: Left, now: Left): string[] {
  const more = <T>(name: string, some: ReadonlySet<T>, others: ReadonlySet<T>) => {
    const all = [...others].filter((each) => !some.has(each));
    return all.length === 0 ? [] : [`${name}: ${all.join(", ")}`];
  };
  return [
    ...more("descriptors left open", before.fds, now.fds),
    ...more("descriptors of others closed", now.fds, before.fds),
    ...more("children left", before.children, now.children),
    ...more("processes left", before.processes, now.processes),
    ...more("files left", before.files, now.files),
  ];
}

/** Waits a while for what takes a moment to go. */
async function remains(before: Left): Promise<string[]> {
  const deadline = performance.now() + 1500;
  for (;;) {
    const found = difference(before, left());
    if (found.length === 0 || performance.now() > deadline) return found;
    await pause(3);
  }
}

function tidy(before: Left): void {
  const now = left();
  for (const pid of now.children) if (!before.children.has(pid)) killHard(pid);
  for (const each of now.processes) if (!before.processes.has(each)) killHard(parseInt(each));
}

/** Runs a scenario with a fault; what was wrong. */
async function attempt(scenario: Scenario, fault: Fault | undefined): Promise<string[]> {
  const place = join(folder, "place");
  mkdirSync(place);
  const before = left();
  let late: ReturnType<typeof setTimeout> | undefined;
  const found: string[] = [];
  try {
    const tooLong = new Promise<never>((_, reject) =>
      late = setTimeout(() => reject(new Hang()), PATIENCE)
    );
    await Promise.race([during(fault, () => scenario.run({ folder: place })), tooLong]);
  } catch (error) {
    if (error instanceof Hang) throw error;
    if (fault === undefined) throw error;
    found.push(...complaints(error));
  } finally {
    clearTimeout(late);
  }
  // Files that the scenario itself made, or its program, are its own.
  for (const name of readdirSync(place)) {
    if (name === "pid") found.push("the pid file was left");
  }
  rmSync(place, { recursive: true });
  mkdirSync(place);
  found.push(...await remains(before));
  found.push(...strays.splice(0));
  if (found.length > 0) tidy(before);
  rmSync(place, { recursive: true });
  try {
    const healthy = await new Command("echo", "ok").run({ timeout: 5000 });
    if (healthy.stdout !== "ok\n") found.push("the next run gave another result");
  } catch (error) {
    found.push(`the next run failed: ${summary(error)}`);
  }
  // A runtime may take a moment to close what the healthy run had, too.
  if (found.length === 0) found.push(...await remains(before));
  return found;
}

class Hang extends Error {}

/** What an error of a scenario with a fault should not be. */
function complaints(error: unknown): string[] {
  if (error instanceof AssertionError) {
    const text = stripVTControlCharacters(error.message).replaceAll(/\s+/g, " ");
    return [`another result: ${text.slice(0, 200)}`];
  }
  if (!(error instanceof CommandError)) return [`no CommandError: ${summary(error)}`];
  if (error instanceof ExitError) return [`an ExitError, and no failure: ${summary(error)}`];
  if (error instanceof SpawnError && (error.errno <= 0 || error.errno > 133)) {
    return [`nonsense in a number: ${summary(error)}`];
  }
  return [];
}

function summary(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return `${error.name}: ${error.message.split("\n").slice(0, 4).join(" ")}`.slice(0, 300);
}

/** Past the runtime's own stream, which may be what is broken. */
function say(line: unknown): void {
  writeSync(1, `${JSON.stringify(line)}\n`);
}

async function all(): Promise<void> {
  const closers = await faultyBackend(driver, (made: Backend) => useBackend(() => made));
  if (driver !== "native") replaceFiles();
  backend();
  let skipping = order.after !== undefined;
  // What is made once for all is no leak.
  for (let i = 0; i < 2; i++) await new Command("sh", "-c", "cat; echo >&2").stdin("x").run();
  await pause(100);
  for (const scenario of SCENARIOS) {
    const { name } = scenario;
    if (order.only?.includes(name) === false) continue;
    if (skipping && order.after?.scenario !== name) continue;
    if (scenario.root === true && process.getuid?.() !== 0) {
      say({ scenario: name, skipped: "needs root" });
      continue;
    }
    let faults: Fault[];
    try {
      await attempt(scenario, undefined);
      const problems = await attempt(scenario, undefined);
      faults = faultsOf(trace()).filter(({ name, how }) =>
        scenario.daemon !== true || name !== "read" || how !== "EIO"
      );
      // The next run was counted as well only if it belongs to the scenario.
      if (problems.length > 0) say({ scenario: name, fault: "none", problems });
    } catch (error) {
      if (error instanceof Hang) throw error;
      const lacking = error instanceof UnsupportedError;
      say(
        lacking
          ? { scenario: name, skipped: error.message }
          : { scenario: name, fault: "none", problems: [summary(error)] },
      );
      rmSync(join(folder, "place"), { recursive: true, force: true });
      continue;
    }
    const chosen = sampled(faults, order.sample, `${order.seed} ${name}`);
    say({ scenario: name, faults: chosen.length, of: faults.length });
    for (const [number, fault] of chosen.entries()) {
      if (skipping && number <= (order.after?.number ?? -1)) continue;
      skipping = false;
      const what = `${fault.side} ${fault.index} ${fault.name} ${fault.how}`;
      say({ scenario: name, number, begins: what });
      try {
        const problems = await attempt(scenario, fault);
        say({ scenario: name, number, fault: what, hit: trace().hit, problems });
      } catch (error) {
        if (!(error instanceof Hang)) throw error;
        say({ scenario: name, number, fault: what, problems: ["it hangs"] });
        process.exit(3);
      }
    }
    skipping = false;
  }
  for (const close of closers) close();
  rmSync(folder, { recursive: true });
  say({ done: true });
}

/** A part of the faults, the same for the same seed. */
function sampled(faults: Fault[], count: number | undefined, seed: string): Fault[] {
  if (count === undefined || faults.length <= count) return faults;
  const next = random(seed);
  const rest = [...faults];
  return Array.from({ length: count }, () => rest.splice(Math.floor(next() * rest.length), 1))
    .flat();
}

try {
  await all();
} catch (error) {
  console.error(error);
  process.exit(1);
}
process.exit(0);
