// The npm package in bundlers, single-file programs, loaders of CommonJS and test runners:
// node scripts/bundles.mjs [part of a name …]. `npm test` runs it as well, as the part `bundles`.
//
// The tools are installed into node_modules/.bundles when they are needed. Each application is
// tests/bundles/app.mjs, made in another way.

import { spawn } from "node:child_process";
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { installList } from "./install.mjs";
import { buildPackage } from "./package.mjs";
import { root, runtimes } from "./runtimes.mjs";
import { setup } from "./setup.mjs";

const sources = fileURLToPath(new URL("tests/bundles/", root));
const folder = fileURLToPath(new URL("node_modules/.bundles/", root));
const tools = join(folder, "node_modules");

/** One build or run has this long, in milliseconds. */
const LIMIT_MS = 60_000;

const { bun, deno, node22, node26 } = runtimes;
const tool = (path) => join(tools, path);

/** Arguments of esbuild. */
const esbuild = (format, out = "out.mjs") => [
  tool("esbuild/bin/esbuild"),
  ...["app.mjs", "--bundle", "--platform=node", `--format=${format}`, `--outfile=${out}`],
];

const bunBuild = (target, ...more) => [
  bun.binary,
  ...["build", "app.mjs", `--target=${target}`, ...more],
];

/** How the applications are made and run; each folder has app.mjs. `argv` runs what was made. */
const APPLICATIONS = [
  {
    name: "esbuild, ES module",
    make: [esbuild("esm")],
    argv: { node26: [node26.binary, "out.mjs"], node22: [node22.binary, "out.mjs"] },
  },
  {
    name: "esbuild, on a runtime that it was not made for",
    make: [esbuild("esm")],
    argv: { bun: [bun.binary, "out.mjs"], deno: [deno.binary, ...deno.run("out.mjs")] },
  },
  {
    name: "esbuild, CommonJS",
    make: [esbuild("cjs", "out.cjs")],
    argv: { node26: [node26.binary, "out.cjs"] },
  },
  {
    name: "esbuild, minified and split",
    make: [[
      tool("esbuild/bin/esbuild"),
      ...["app.mjs", "other.mjs", "--bundle", "--platform=node", "--format=esm"],
      ...["--splitting", "--minify", "--keep-names", "--outdir=out", "--out-extension:.js=.mjs"],
    ]],
    argv: { node26: [node26.binary, "out/app.mjs"] },
  },
  {
    name: "rollup",
    make: [[node22.binary, tool("rollup/dist/bin/rollup"), "-c", "rollup.config.mjs", "--silent"]],
    argv: { node26: [node26.binary, "out.mjs"] },
  },
  {
    name: "vite, server side",
    make: [[node22.binary, tool("vite/bin/vite.js"), "build", "--logLevel", "warn"]],
    argv: { node26: [node26.binary, "out/app.mjs"] },
  },
  {
    name: "webpack",
    make: [[node22.binary, "webpack.mjs"]],
    argv: { node26: [node26.binary, "out/app.cjs"] },
  },
  {
    name: "bun build, for bun",
    make: [bunBuild("bun", "--outfile=out.js")],
    argv: { bun: [bun.binary, "out.js"] },
  },
  {
    name: "bun build, for node",
    make: [bunBuild("node", "--outfile=out.mjs")],
    argv: { node26: [node26.binary, "out.mjs"] },
  },
  {
    name: "bun build, bytecode",
    make: [bunBuild("bun", "--bytecode", "--outdir=out")],
    argv: { bun: [bun.binary, "out/app.js"] },
  },
  {
    name: "bun build, compiled",
    make: [bunBuild("bun", "--compile", "--outfile=application")],
    argv: { bun: ["./application"] },
    expected: "refusal",
  },
  {
    name: "bun build, compiled to bytecode",
    make: [bunBuild("bun", "--compile", "--bytecode", "--outfile=application")],
    argv: { bun: ["./application"] },
    expected: "refusal",
  },
  {
    name: "deno compile",
    make: [[deno.binary, "compile", "-A", "--no-check", "--quiet", "-o", "application", "app.mjs"]],
    argv: { deno: ["./application"] },
    expected: "refusal",
    // It downloads the runtime that it puts into programs.
    unavailable: /error sending request|dl\.deno\.land/,
  },
  {
    name: "node, single executable application",
    make: [
      esbuild("cjs", "out.cjs"),
      [node26.binary, "--build-sea", "sea.json"],
    ],
    argv: { node26: ["./application"] },
    expected: "refusal",
  },
  {
    name: "tsx, in a CommonJS package",
    make: [],
    argv: { node26: [node26.binary, tool("tsx/dist/cli.mjs"), "typed.ts"] },
  },
  {
    name: "ts-node, in a CommonJS package",
    make: [],
    argv: { node22: [node22.binary, tool("ts-node/dist/bin.js"), "typed.ts"] },
  },
];

/** Files that the tools and the applications need beside app.mjs. */
const FILES = {
  "package.json": '{ "private": true }',
  "other.mjs": 'import { Command } from "vircommand";\nvoid Command;\n',
  "rollup.config.mjs": `
    import { nodeResolve } from "@rollup/plugin-node-resolve";
    export default {
      input: "app.mjs",
      output: { file: "out.mjs", format: "es" },
      plugins: [nodeResolve({ exportConditions: ["node"] })],
      external: /^node:/,
      onwarn(warning) { throw new Error(warning.message); },
    };`,
  "vite.config.mjs": `
    export default {
      build: {
        ssr: "app.mjs",
        outDir: "out",
        rollupOptions: { output: { entryFileNames: "app.mjs" } },
      },
      ssr: { noExternal: true },
    };`,
  "webpack.mjs": `
    import { join } from "node:path";
    import webpack from "webpack";
    webpack({
      mode: "production",
      target: "node",
      entry: "./app.mjs",
      output: { path: join(process.cwd(), "out"), filename: "app.cjs" },
    }, (error, stats) => {
      if (!error && !stats.hasErrors() && !stats.hasWarnings()) return;
      console.error(error ?? stats.toString());
      process.exitCode = 1;
    });`,
  "sea.json": JSON.stringify({
    main: "out.cjs",
    output: "application",
    disableExperimentalSEAWarning: true,
  }),
  "tsconfig.json": JSON.stringify({
    compilerOptions: {
      module: "node16",
      moduleResolution: "node16",
      target: "es2022",
      strict: true,
      types: ["node"],
    },
  }),
};

/** The application as TypeScript in a package whose files are CommonJS. */
function typed(text) {
  return `// @ts-nocheck\n${text}`;
}

/** The test runners. Each runs tests/bundles/suite.mjs. */
const RUNNERS = [
  {
    name: "jest, CommonJS by babel",
    type: "commonjs",
    config: `module.exports = {
      transform: { "\\\\.js$": ["babel-jest", {
        presets: [["@babel/preset-env", { targets: { node: "current" } }]],
      }] },
    };`,
    argv: [node26.binary, tool("jest/bin/jest.js")],
    driver: "native",
  },
  {
    name: "jest, ES modules",
    type: "module",
    config: "export default { transform: {} };",
    argv: [
      node26.binary,
      "--experimental-vm-modules",
      "--disable-warning=ExperimentalWarning",
      tool("jest/bin/jest.js"),
    ],
    driver: "native",
  },
  // A thread of a worker has no native driver, see docs/architecture.md.
  ...Object.entries({ threads: "launcher", forks: "native", vmThreads: "launcher" }).map(
    ([pool, driver]) => ({
      name: `vitest, ${pool}`,
      type: "module",
      vitest: true,
      argv: [node26.binary, tool("vitest/vitest.mjs"), "run", `--pool=${pool}`],
      driver,
    }),
  ),
];

/** Makes a project that has the tools and the package. */
function project(work, library) {
  const place = mkdtempSync(join(work, "project-"));
  const modules = join(place, "node_modules");
  mkdirSync(modules);
  for (const name of readdirSync(tools)) {
    if (!name.startsWith(".")) symlinkSync(join(tools, name), join(modules, name));
  }
  // Not a link: some tools would take it for a part of the project.
  cpSync(library, join(modules, "vircommand"), { recursive: true });
  return place;
}

/** Runs a program without blocking, so that two of them share the processors. */
function run(argv, cwd, env = {}) {
  return new Promise((resolve) => {
    const child = spawn(argv[0], argv.slice(1), {
      cwd,
      // A group of its own: some tools hand their streams on to the program that they start.
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, NO_COLOR: "1", ...env },
    });
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text) => stdout += text);
    child.stderr.setEncoding("utf8").on("data", (text) => stderr += text);
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      try {
        process.kill(-child.pid, "SIGKILL");
      } catch {
        // It has ended meanwhile.
      }
    }, LIMIT_MS);
    const end = (status, ended) => {
      clearTimeout(timer);
      resolve({ status, ended, isLate, stdout, stderr });
    };
    child.on("error", (error) => end(-1, error.message));
    child.on("close", (status, signal) => end(status, signal ?? `status ${status}`));
  });
}

/** Makes an application and runs it on its runtimes. */
async function checkApplication({ name, make, argv, expected = "hook", unavailable }, place) {
  const outcome = { name, passed: 0, problems: [], skipped: [] };
  const text = readFileSync(join(sources, "app.mjs"), "utf8");
  writeFileSync(join(place, "app.mjs"), text);
  writeFileSync(join(place, "typed.ts"), typed(text));
  for (const [file, content] of Object.entries(FILES)) writeFileSync(join(place, file), content);
  const hook = join(place, "a hook.mjs");
  copyFileSync(join(sources, "hook.mjs"), hook);
  for (const step of make) {
    const { status, ended, isLate, stdout, stderr } = await run(step, place);
    if (status === 0) continue;
    const output = (stdout + stderr).trim();
    // A firewall may answer nothing at all.
    if (unavailable?.test(output) || (unavailable !== undefined && isLate)) {
      outcome.skipped.push(`${name}: its runtime cannot be downloaded`);
    } else {
      outcome.problems.push(`it could not be made: ${ended}\n${output.slice(-2000)}`);
    }
    return outcome;
  }
  for (const [runtime, command] of Object.entries(argv)) {
    const starts = join(place, `starts-${runtime}`);
    const { ended, status, stdout, stderr } = await run(command, place, {
      APPLICATION_STARTS: starts,
      APPLICATION_HOOK: hook,
      APPLICATION_EXPECTED: expected,
      APPLICATION_RUNTIME: runtimes[runtime].binary,
    });
    const of = (kind) =>
      stdout.split("\n").filter((line) => line.startsWith(`${kind} `))
        .map((line) => `${runtime}: ${line.slice(kind.length + 1)}`);
    outcome.passed += of("ok").length;
    outcome.problems.push(...of("fail"));
    const driver = stdout.split("\n").find((line) => line.startsWith("driver "));
    if (driver?.split(" ")[1] !== runtime.replace(/\d+$/, "")) {
      outcome.problems.push(`${runtime}: the runtime is not known: ${driver}`);
    }
    if (status !== 0 || of("ok").length === 0) {
      outcome.problems.push(
        `${runtime}: it ended with ${ended}\n${(stdout + stderr).slice(-2000)}`,
      );
    }
    const count = existsSync(starts) ? readFileSync(starts, "utf8").trim().split("\n").length : 0;
    if (count !== 1) {
      outcome.problems.push(`${runtime}: the application was started ${count} times`);
    }
  }
  return outcome;
}

/** Runs the tests in a test runner. */
async function checkRunner(
  { name, type, config, vitest = false, argv, driver },
  place,
) {
  writeFileSync(join(place, "package.json"), JSON.stringify({ private: true, type }));
  if (config !== undefined) writeFileSync(join(place, "jest.config.js"), config);
  copyFileSync(join(sources, "suite.mjs"), join(place, "suite.js"));
  const imports = vitest ? 'import { expect, test } from "vitest";\n' : "";
  writeFileSync(
    join(place, "library.test.js"),
    `${imports}import * as library from "vircommand";
    import { suite } from "./suite.js";
    suite(library, { test, expect, driver: ${JSON.stringify(driver)} });`,
  );
  const { status, ended, stdout, stderr } = await run(argv, place);
  const output = stdout + stderr;
  const passed = Number(/Tests:? +.*?(\d+) passed/.exec(output)?.[1] ?? 0);
  const failed = status === 0 && passed > 0 ? [] : [`${ended}\n${output.slice(-4000)}`];
  if (/Warning/.test(output)) failed.push(`it warns\n${output.slice(-4000)}`);
  return { name, passed, problems: failed, skipped: [] };
}

/** Checks the types of the package, and a program that uses them. */
async function checkTypes({ name }, place) {
  const files = ["a.mts", "b.cts"];
  writeFileSync(join(place, "package.json"), '{ "private": true }');
  for (const each of files) copyFileSync(join(sources, "types.mts"), join(place, each));
  const options = [
    "--strict",
    "--target",
    "es2022",
    "--lib",
    "esnext,dom",
    "--types",
    "node",
    "--module",
    "node16",
  ];
  const tsc = [node22.binary, tool("typescript/bin/tsc"), "--noEmit", ...options];
  const { status, ended, stdout, stderr } = await run([...tsc, ...files], place);
  const problems = status === 0 ? [] : [`${ended}\n${(stdout + stderr).slice(-4000)}`];
  return { name, passed: status === 0 ? 1 : 0, problems, skipped: [] };
}

/** Checks everything whose name has one of the parts. Calls `report` for each outcome. */
export async function checkBundles(report, parts = []) {
  const problem = installList(join(sources, "package.json"), folder);
  if (problem !== undefined) {
    return report({ name: "bundles", seconds: 0, passed: 0, problems: [], skipped: [problem] });
  }
  const work = mkdtempSync(join(tmpdir(), "vircommand-bundles-"));
  try {
    const library = join(work, "library");
    buildPackage(library);
    const all = [
      ...APPLICATIONS.map((each) => [each, checkApplication]),
      ...RUNNERS.map((each) => [each, checkRunner]),
      [{ name: "types, of both builds" }, checkTypes],
    ];
    const left = all.filter(([{ name }]) =>
      parts.length === 0 || parts.some((part) => name.includes(part))
    );
    const next = async () => {
      for (let item = left.shift(); item !== undefined; item = left.shift()) {
        const [each, check] = item;
        const began = performance.now();
        const outcome = await check(each, project(work, library));
        report({ ...outcome, seconds: (performance.now() - began) / 1000 });
      }
    };
    await Promise.all([next(), next()]);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  setup();
  await checkBundles(({ name, passed, problems, skipped, seconds }) => {
    console.log(`${name}: ${passed} passed, ${problems.length} failed (${seconds.toFixed(1)} s)`);
    for (const each of problems) console.log(`  FAILED ${each.replaceAll("\n", "\n    ")}`);
    for (const each of skipped) console.log(`  skipped: ${each}`);
    if (problems.length > 0) process.exitCode = 1;
  }, process.argv.slice(2));
}
