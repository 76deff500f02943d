/**
 * Starts a program and waits for its end, without capturing output. This is the cost of a process.
 *
 * @module
 */

import { backendInfo, Command } from "../mod.ts";
import { compare } from "./harness.ts";
import { peer } from "./support/peers.ts";

const argv = ["/bin/true"];

await compare({
  title: "spawn and wait, /bin/true",
  ours: {
    name: "vircommand",
    async run() {
      const child = await Command.from(argv).spawn();
      await child.wait();
    },
  },
  theirs: [{ name: peer.name, run: () => peer.wait(argv) }],
  warmUp: 80,
  rounds: 41,
  repeats: 25,
  limit: { is: "at most", ratio: backendInfo().runtime === "node" ? 0.5 : 1 },
});
