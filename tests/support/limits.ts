/**
 * What the portable driver cannot do, because the runtime's own spawner does not: tests by their
 * names, and why they are skipped there. What it has no feature for refuses by itself, and is not
 * listed; this is what it does otherwise, and says so in its documentation.
 *
 * @module
 */

import { backendInfo } from "../../mod.ts";

interface Limit {
  readonly tests: RegExp;
  readonly reason: string;
  /** The runtime that it is about; all of them by default. */
  readonly runtime?: "deno" | "bun" | "node";
}

const PORTABLE: readonly Limit[] = [
  {
    tests:
      /are not leaked|has three descriptors and no other|do not leak into the next child|under its own number|was closed (from its start|later)|^a standard stream of the parent can be passed/,
    reason: "the runtime's spawner hands on what is not closed on exec",
  },
  {
    tests: /^\/dev\/std(in|out)|feeds and gathers at the same time/,
    reason: "the runtime's pipes are sockets, which cannot be opened by name",
  },
  {
    tests:
      /signal is blocked, ignored|signals that the parent was started with|handlers of the parent are gone/,
    reason: "the runtime's spawner leaves some signals as they are",
  },
  {
    tests:
      /^root dropping to nobody|^runSync and spawn drop|^every user of|^an unknown uid with a gid|^gid alone|^uid 0 is a user|^the folder is entered as|^the program is executed as/,
    reason: "the runtime's spawner drops the supplementary groups, and is not tested for more",
  },
  {
    tests: /soft limit on open files is the one|limit on open files that is asked for/,
    reason: "limits cannot be set",
  },
  {
    tests: /^the daemon stays|^while the file is being replaced|^of many who want the same file/,
    reason: "there are no daemons",
  },
  {
    tests:
      /^runSync: (a descendant|by default it waits|what such a descendant|each byte|drain 0|a timeout while a descendant)/,
    reason: "spawnSync waits for every descendant that holds a pipe",
  },
  {
    tests:
      /^runSync: (a program (may end|that ignores|that takes too long)|killSignal|too much|a real-time signal as killSignal)/,
    reason: "spawnSync sends one signal only, so that it has to be SIGKILL",
  },
  {
    tests: /^a stream that is cancelled makes the program find a closed pipe/,
    reason: "a socket that is closed is reset",
  },
  {
    runtime: "deno",
    tests: /in the order of choice|^envXdg|^runSync gives the same environment/,
    reason: "Deno sorts the environment",
  },
  {
    runtime: "deno",
    tests: /\((runSync|sync)\)$|^runSync (takes a file|does not mind)/,
    reason: "Deno's spawnSync takes no descriptors",
  },
  {
    runtime: "deno",
    tests: /^without arg0 the program sees|^runSync returns the same|^the pid of the result is/,
    reason: "Deno's own takes no argv[0], and tells no pid of a synchronous run",
  },
  {
    runtime: "deno",
    tests: /^with no PATH anywhere/,
    reason: "Deno looks bare names up itself, and has a default of its own",
  },
  {
    runtime: "deno",
    tests:
      /^runSync: (exactly maxBuffer|no output is not|six bytes|standard error has|both outputs in|a program that is ended for)/,
    reason: "Deno's spawnSync gathers all output",
  },
  {
    runtime: "deno",
    tests: /^spawn resolves when the program runs/,
    reason: "Deno's spawner does not wait for exec",
  },
  {
    runtime: "deno",
    tests: /^a child can be stopped and continued/,
    reason: "Deno's status of a child that stops is not that of one that ends",
  },
];

/** Why a test is skipped with this driver on this runtime, if it is. */
export function limitOf(name: string): string | undefined {
  const { driver, runtime } = backendInfo();
  if (driver !== "portable") return undefined;
  const limit = PORTABLE.find((each) =>
    (each.runtime ?? runtime) === runtime && each.tests.test(name)
  );
  return limit === undefined ? undefined : `portable driver on ${runtime}: ${limit.reason}`;
}
