/**
 * Runs 500 children at once. None may fail, and none may cost much more than a single child.
 *
 * @module
 */

import { Command, run } from "../mod.ts";
import { median, quick, report } from "./harness.ts";

const MANY = 500;

/** All children are alive at the same time: each waits for the end of its input. */
async function living(count: number): Promise<void> {
  const cats = () => new Command("/bin/cat").stdin("pipe").stdout("capture").spawn();
  const children = await Promise.all(Array.from({ length: count }, cats));
  await Promise.all(children.map((child) => child.stdin.close()));
  for (const child of children) await child.wait();
}

/** All children are requested at the same time. The first end before the last is started. */
async function brief(count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, () => run(["/bin/true"])));
}

async function measure(title: string, work: (count: number) => Promise<void>): Promise<void> {
  const [alone, together]: [number[], number[]] = [[], []];
  const rounds = quick ? 2 : 11;
  for (let round = -1; round < rounds; round++) {
    let begun = performance.now();
    for (let i = 0; i < 100; i++) await work(1);
    const one = (performance.now() - begun) / 100;
    begun = performance.now();
    await work(MANY);
    const many = (performance.now() - begun) / MANY;
    // The first round is a warm-up.
    if (round < 0) continue;
    alone.push(one);
    together.push(many);
  }
  const µs = (values: readonly number[]) => `${(median(values) * 1000).toFixed(0)} µs`;
  report({
    title,
    figures: { "each of 500": µs(together), "one alone": µs(alone) },
    ratio: median(together.map((each, i) => each / (alone[i] ?? NaN))),
    limit: { is: "at most", ratio: 1.5 },
  });
}

await measure("500 of /bin/true at once", brief);
await measure("500 of /bin/cat alive at once", living);
