/**
 * Measures the first starts of a process and compares them with the runtime's own. The runtime
 * still has to compile the JavaScript that a start uses. Only the first turns of a process show
 * this, so there is no warm-up, and each run of this bench is one sample.
 *
 * @module
 */

import { Command } from "../mod.ts";
import { median, quick, report } from "./harness.ts";
import { peer } from "./support/peers.ts";

const argv = ["/bin/true"];

/** The number of starts in one turn of a side. */
const TURN = 25;

/** The limits of the windows, in starts. */
const EDGES = quick ? [0, 25, 50] : [0, 25, 100, 300, 600, 1000, 2000];

async function timed(run: () => Promise<unknown>, times: number[]): Promise<void> {
  for (let i = 0; i < TURN; i++) {
    const begun = performance.now();
    await run();
    times.push((performance.now() - begun) * 1000);
  }
}

async function ours(): Promise<void> {
  const child = await Command.from(argv).spawn();
  await child.wait();
}

const times = { ours: [] as number[], theirs: [] as number[] };
while (times.ours.length < (EDGES.at(-1) ?? 0)) {
  await timed(ours, times.ours);
  await timed(() => peer.wait(argv), times.theirs);
}

const mean = (values: readonly number[]) =>
  values.reduce((sum, each) => sum + each, 0) / values.length;
EDGES.slice(1).forEach((to, i) => {
  const from = EDGES[i] ?? 0;
  const [own, other] = [times.ours.slice(from, to), times.theirs.slice(from, to)];
  report({
    title: `spawn and wait, start ${from + 1} to ${to}`,
    figures: {
      vircommand: `${median(own).toFixed(0)} µs`,
      [peer.name]: `${median(other).toFixed(0)} µs`,
    },
    ratio: mean(own) / mean(other),
  });
});
