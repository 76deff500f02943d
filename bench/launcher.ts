/**
 * Compares starting a program through the launcher, without FFI, with the runtime's own spawner.
 * The same spawner starts the launcher, so the difference is the cost of the child program.
 *
 * @module
 */

import { Command } from "../mod.ts";
import { compare } from "./harness.ts";
import { peer } from "./support/peers.ts";

const argv = ["/bin/true"];

await compare({
  title: "spawn and wait through the launcher, /bin/true",
  ours: {
    name: "vircommand, launcher",
    async run() {
      const child = await Command.from(argv).spawn({ driver: "launcher" });
      await child.wait();
    },
  },
  theirs: [{ name: peer.name, run: () => peer.wait(argv) }],
  warmUp: 20,
  rounds: 41,
  repeats: 25,
  limit: { is: "at most", ratio: 1.35 },
});
