import { assert, assertEquals } from "@std/assert";
import process from "node:process";
import { Worker } from "node:worker_threads";
import { backendInfo } from "../../mod.ts";
import { conform } from "../support/harness.ts";

/** A worker of Node or Bun cannot have the native driver; it is to choose for itself. */
function workersEnv(): NodeJS.ProcessEnv {
  const { VIRCOMMAND_DRIVER: _, ...others } = process.env;
  return backendInfo().driver === "native" ? others : process.env;
}

conform("a worker thread starts programs as the main thread does", async () => {
  const worker = new Worker(new URL("../support/programs/worker.ts", import.meta.url), {
    env: workersEnv(),
  });
  // Node may tell of the last message and of the end in one go: who listens later misses the end.
  const ended = new Promise((resolve) => worker.once("exit", resolve));
  const seen = await new Promise<Record<string, unknown>>((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  // By itself: then it closes what its driver had open for all its children.
  await ended;
  const { driver, ...results } = seen;
  assertEquals(results, {
    output: "hello\n",
    input: "input",
    large: 300_000,
    environment: "A=b\n",
    folder: "/\n",
    merged: "a\nb\n",
    lines: "1,2",
    exit: 3,
    missing: "ENOENT",
    late: "TimeoutError",
    killed: "SIGINT",
    sync: "sync",
    many: 21,
  });
  // Node and Bun deliver no signals to workers; Deno does.
  const { runtime, driver: own } = backendInfo();
  const expected = own === "native" && runtime !== "deno" ? "launcher" : own;
  assert(driver === expected, `${driver} instead of ${expected}`);
});
