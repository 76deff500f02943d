/**
 * Reading 1 GB from a child: as a web stream, and captured whole.
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

const streamed = quick ? GB / 16 : GB;
await compare({
  title: `read ${streamed / GB} GB as a stream`,
  ours: {
    name: "vircommand child.stdout",
    run: () => expect(streamed, stream(zeros(streamed))),
  },
  theirs: sides(peer.streams, zeros(streamed), streamed),
  rounds: 7,
  repeats: 1,
  bytes: streamed,
  limit: { is: "at least", ratio: 1.2 },
});

// Node's execFile and Bun's arrayBuffer() are shown for comparison; the bound is for Deno.
const captured = quick ? GB / 16 : GB;
await compare({
  title: `read ${captured / GB} GB whole`,
  ours: {
    name: "vircommand run()",
    run: () => expect(captured, run(zeros(captured)).then(({ stdoutBytes }) => stdoutBytes.length)),
  },
  theirs: sides([peer.whole], zeros(captured), captured),
  rounds: 3,
  repeats: 1,
  bytes: captured,
  ...(backendInfo().runtime === "deno" ? { limit: { is: "at least", ratio: 3 } } : {}),
});
