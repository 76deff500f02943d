/**
 * Reads 1 GB from a child: as a web stream, and as one captured output.
 *
 * @module
 */

import { backendInfo, Command, run } from "../mod.ts";
import { compare, quick } from "./harness.ts";
import { countStream, peer, type Reading } from "./support/peers.ts";

const GB = 1024 * 1024 * 1024;

async function expect(bytes: number, counting: Promise<number>): Promise<void> {
  const counted = await counting;
  if (counted !== bytes) throw new Error(`read ${counted} of ${bytes} bytes`);
}

function sides(readings: readonly Reading[], argv: readonly string[], bytes: number) {
  return readings.map(({ name, count }) => ({ name, run: () => expect(bytes, count(argv)) }));
}

function zeros(bytes: number): string[] {
  return ["/usr/bin/head", "-c", String(bytes), "/dev/zero"];
}

async function stream(argv: readonly string[]): Promise<number> {
  const child = await Command.from(argv).stdout("pipe").spawn();
  const total = await countStream(child.stdout);
  await child.wait();
  return total;
}

const amount = quick ? GB / 16 : GB;
const argv = zeros(amount);
const streaming = { name: "vircommand child.stdout", run: () => expect(amount, stream(argv)) };
const whole = sides([peer.whole], argv, amount);
const onDeno = backendInfo().runtime === "deno";

await compare({
  title: `read ${amount / GB} GB as a stream`,
  ours: streaming,
  theirs: sides(peer.streams, argv, amount),
  rounds: 7,
  repeats: 1,
  bytes: amount,
  limit: { is: "at least", ratio: 1.2 },
});

await compare({
  title: `read ${amount / GB} GB as a stream, compared with one buffer`,
  ours: streaming,
  theirs: whole,
  rounds: 3,
  repeats: 1,
  bytes: amount,
  ...(onDeno ? { limit: { is: "at least", ratio: 3 } } : {}),
});

// For comparison only: most of this time is spent to get a gigabyte of memory from the kernel.
await compare({
  title: `read ${amount / GB} GB into one buffer`,
  ours: {
    name: "vircommand run()",
    run: () => expect(amount, run(argv).then(({ stdoutBytes }) => stdoutBytes.length)),
  },
  theirs: whole,
  rounds: 3,
  repeats: 1,
  bytes: amount,
});
