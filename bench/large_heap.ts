/**
 * Spawn and wait in a process that has 1 GB of touched memory. fork(2) copies page tables, so its
 * cost grows with the heap of the parent. The cost of a child that shares memory does not.
 *
 * @module
 */

import { backendInfo, Command } from "../mod.ts";
import { compare, quick } from "./harness.ts";
import { peer } from "./support/peers.ts";

const argv = ["/bin/true"];
const MB = 1024 * 1024;

const heap: Uint8Array[] = [];
for (let i = 0; i < (quick ? 8 : 64); i++) heap.push(new Uint8Array(16 * MB).fill(1));

await compare({
  title: `spawn and wait, /bin/true, ${heap.length * 16} MB of touched memory`,
  ours: {
    name: "vircommand",
    async run() {
      const child = await Command.from(argv).spawn();
      await child.wait();
    },
    warmUp: 2000,
  },
  theirs: [{ name: peer.name, run: () => peer.wait(argv) }],
  warmUp: 4,
  rounds: 9,
  // The first run after a fork is slower, because the fork made pages copy-on-write.
  repeats: 25,
  // Bun and Deno do not fork.
  ...(backendInfo().runtime === "node" ? { limit: { is: "at most", ratio: 0.02 } } : {}),
});

if (heap.some((each) => each[0] !== 1)) throw new Error("the heap was not kept");
