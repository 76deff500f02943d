/**
 * Compares running a program as another user with running it as this user. Such a child executes a
 * separate program file before it changes its ids, so its cost must not grow with the heap. It is
 * measured with and without 1 GB of touched memory. Needs root.
 *
 * @module
 */

import process from "node:process";
import { Command } from "../mod.ts";
import { compare, quick } from "./harness.ts";

const MB = 1024 * 1024;
const root = process.getuid?.() === 0;
if (!root) console.log("not measured: only root can run a program as another user");

async function measure(what: string): Promise<void> {
  await compare({
    title: `run, /bin/true, as another user${what}`,
    ours: {
      name: "with user()",
      run: async () => void await new Command("/bin/true").user("nobody").run(),
    },
    theirs: [{ name: "without", run: async () => void await new Command("/bin/true").run() }],
    warmUp: 500,
    rounds: 15,
    repeats: 25,
    limit: { is: "at most", ratio: 1.35 },
  });
}

const heap: Uint8Array[] = [];
if (root) {
  await measure("");
  for (let i = 0; i < (quick ? 8 : 64); i++) heap.push(new Uint8Array(16 * MB).fill(1));
  await measure(`, ${heap.length * 16} MB of touched memory`);
}
if (heap.some((each) => each[0] !== 1)) throw new Error("the heap was not kept");
