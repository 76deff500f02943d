/**
 * Runs a program and captures its output as text.
 *
 * @module
 */

import { backendInfo, run } from "../mod.ts";
import { compare } from "./harness.ts";
import { peer } from "./support/peers.ts";

const argv = ["/bin/echo", "hello"];

function expectHello(text: string): void {
  if (text !== "hello\n") throw new Error(`read ${JSON.stringify(text)}`);
}

await compare({
  title: "run with captured output, /bin/echo",
  ours: { name: "vircommand", run: async () => expectHello((await run(argv)).stdout) },
  theirs: [{ name: peer.name, run: async () => expectHello(await peer.text(argv)) }],
  warmUp: 20,
  rounds: 41,
  repeats: 25,
  limit: { is: "at most", ratio: backendInfo().runtime === "node" ? 0.6 : 1 },
});
