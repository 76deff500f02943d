// The runtimes: their paths, how each runs a file, and which drivers it has.

import { existsSync, realpathSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The root folder of the project. */
export const root = new URL("../", import.meta.url);

const path = (relative) => fileURLToPath(new URL(relative, root));

/**
 * The runtimes. `run` returns the argument list to run a program. `test` returns the argument list
 * to run test files and write a JUnit report to `report`.
 */
export const runtimes = {
  deno: {
    name: "deno",
    binary: path("node_modules/deno/deno"),
    run: (file, ...args) => ["run", "-A", "--quiet", "--no-check", file, ...args],
    test: (
      files,
      report,
    ) => ["test", "-A", "--quiet", "--no-check", `--junit-path=${report}`, ...files],
  },
  bun: {
    name: "bun",
    binary: path("node_modules/bun/bin/bun.exe"),
    run: (file, ...args) => ["run", file, ...args],
    test: (files, report) => [
      "test",
      "--timeout=120000",
      "--reporter=junit",
      `--reporter-outfile=${report}`,
      ...files,
    ],
  },
  node26: node("node26"),
  node24: node("node24"),
  node22: node("node22"),
  /** The Node of this machine: 20 or newer. */
  own: { ...node("own"), binary: ownNode() },
};

/** Skips the Node of the tool chain, which npm puts first in PATH when it runs a script. */
function ownNode() {
  const folder = path("node_modules/");
  const tools = existsSync(folder) ? realpathSync(folder) : folder;
  const folders = (process.env.PATH ?? "").split(delimiter).filter((each) => each !== "");
  const found = folders.map((each) => join(each, "node")).filter((file) => existsSync(file))
    .find((file) => !realpathSync(file).startsWith(tools));
  return found ?? process.execPath;
}

function node(name) {
  return {
    name,
    binary: path(`node_modules/${name}/bin/node`),
    run: (file, ...args) => [file, ...args],
    test: (files, report) => [
      "--test",
      "--test-concurrency=1",
      "--test-reporter=junit",
      `--test-reporter-destination=${report}`,
      ...files,
    ],
  };
}

/** The pairs of runtime and driver that the conformance suite runs on, some as two users. */
export const matrix = [
  { runtime: "deno", driver: "native", asUser: true },
  { runtime: "bun", driver: "native", asUser: true },
  { runtime: "node26", driver: "native", asUser: true },
  { runtime: "bun", driver: "launcher" },
  { runtime: "node26", driver: "launcher" },
  { runtime: "node24", driver: "launcher", asUser: true },
  { runtime: "node22", driver: "launcher" },
  { runtime: "deno", driver: "portable" },
  { runtime: "bun", driver: "portable" },
  { runtime: "node26", driver: "portable" },
  { runtime: "node24", driver: "portable" },
  { runtime: "node22", driver: "portable" },
];

/** The runtimes that `npm run demo` uses. */
export const shown = ["node26", "bun", "deno"];
