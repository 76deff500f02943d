/**
 * Measures what is left after thousands of runs with a mix of successes, failures, timeouts and
 * aborts: descriptors, processes, mapped memory.
 *
 * @module
 */

import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import { Command, CommandError, run } from "../mod.ts";
import { quick, report } from "./harness.ts";

const RUNS = quick ? 500 : 5000;

/** The ways to end a run. Those that kill a program are rarer, because they take longer. */
const WAYS: readonly (() => Promise<unknown>)[] = [
  () => run(["/bin/true"]),
  () => run(["/bin/echo", "hello"]),
  () => new Command("/bin/cat").stdin("input").run(),
  () => run(["/bin/false"]),
  () => run(["/bin/sh", "-c", "kill -9 $$"]),
  () => run(["/no/such/program"]),
  () => new Command("/bin/true").cwd("/no/such/folder").run(),
  () => run(["/bin/sleep", "10"], { timeout: 5 }),
  () => run(["/bin/sleep", "10"], { signal: AbortSignal.timeout(5) }),
  () => run(["/usr/bin/yes"], { maxBuffer: 1000 }),
  async () => {
    await using child = await new Command("/bin/cat").stdin("pipe").stdout("pipe").spawn();
    child.kill("SIGKILL");
  },
  // deno-lint-ignore require-await -- synchronous functions throw; the others reject
  async () => new Command("/bin/echo", "hello").runSync(),
];

interface Left {
  readonly fds: number;
  readonly children: number;
  readonly arenas: number;
  readonly rssMb: number;
}

/** Child programs are written to shared anonymous memory, which is listed as /dev/zero. */
function left(): Left {
  const stats = readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map((pid) => {
    try {
      return readFileSync(`/proc/${pid}/stat`, "latin1");
    } catch {
      return ""; // the process has already ended
    }
  });
  const parentOf = (stat: string) => Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  return {
    fds: readdirSync("/proc/self/fd").length,
    children: stats.filter((stat) => parentOf(stat) === process.pid).length,
    arenas: readFileSync("/proc/self/maps", "latin1").split("/dev/zero").length - 1,
    rssMb: Math.round(process.memoryUsage().rss / 1024 / 1024),
  };
}

async function runAll(count: number): Promise<Map<string, number>> {
  const ends = new Map<string, number>();
  let next = 0;
  const worker = async () => {
    while (next < count) {
      const way = WAYS[next++ % WAYS.length];
      let end = "success";
      try {
        await way?.();
      } catch (error) {
        if (!(error instanceof CommandError)) throw error;
        end = error.name;
      }
      ends.set(end, (ends.get(end) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  return ends;
}

// What is created once and kept (the reaper, pools) is not a leak.
await runAll(200);
const before = left();
const begun = performance.now();
const ends = await runAll(RUNS);
const seconds = ((performance.now() - begun) / 1000).toFixed(1);
// The event loop closes cancelled streams one or two turns later.
await new Promise((resolve) => setTimeout(resolve, 100));
const after = left();

const mix = [...ends].map(([name, count]) => `${count} ${name}`).join(", ");
report({ title: `${RUNS} runs`, figures: { took: `${seconds} s`, mix } });
for (const what of ["fds", "children", "arenas"] as const) {
  report({
    title: `${what} left after ${RUNS} runs`,
    figures: { before: String(before[what]), after: String(after[what]) },
    ratio: after[what] - before[what],
    limit: { is: "at most", ratio: 0 },
  });
}
report({
  title: "resident memory",
  figures: { before: `${before.rssMb} MB`, after: `${after.rssMb} MB` },
});
