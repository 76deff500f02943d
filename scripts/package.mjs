// Builds the npm package: node scripts/package.mjs [folder]. The default folder is dist/.
//
// `deno pack` compiles the sources to ES modules. It uses the JSR name of the package; the name on
// npm is vircommand. tsc compiles the same sources to CommonJS, in the folder cjs/, and writes the
// types of both. docs/decisions/0015-package-entries.md says who gets which.

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setup } from "./setup.mjs";
import { root, runtimes } from "./runtimes.mjs";

/** Writes the files of the published package into a folder. */
export function buildPackage(folder) {
  const work = mkdtempSync(join(tmpdir(), "vircommand-package-"));
  try {
    const tarball = join(work, "package.tgz");
    run(runtimes.deno.binary, ["pack", "--quiet", "--allow-dirty", "--output", tarball]);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    run("tar", ["xzf", tarball, "-C", folder, "--strip-components=1"]);
    const file = join(folder, "package.json");
    const description = JSON.parse(readFileSync(file, "utf8"));
    buildCommonJs(join(folder, "cjs"), Object.values(description.exports).map(sourceOf));
    const own = {
      exports: Object.fromEntries(
        Object.entries(description.exports).map(([name, entry]) => [name, conditionsOf(entry)]),
      ),
      name: "vircommand",
      description: "Start programs the way a careful systems engineer would",
      engines: { node: ">=20", bun: ">=1.2" },
    };
    writeFileSync(file, `${JSON.stringify({ ...description, ...own }, null, 2)}\n`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Returns the source of an entry of the package, which `deno pack` has compiled. */
function sourceOf(entry) {
  return fileURLToPath(new URL(entry.default.replace(/\.js$/, ".ts"), root));
}

/**
 * Returns the conditions of an entry. ES modules are for all who can load them, in a `require()` as
 * well, so that a process has one copy of the library: Deno, Bun, and each Node with the condition
 * module-sync. CommonJS is for older releases of Node and for Jest.
 */
function conditionsOf({ types, default: path }) {
  const esm = { types, default: path };
  const inCjs = (each) => each.replace(/^\.\//, "./cjs/");
  return {
    deno: esm,
    bun: esm,
    "module-sync": esm,
    require: { types: inCjs(types), default: inCjs(path) },
    types,
    node: path,
    default: path,
  };
}

/** Compiles sources to CommonJS modules. */
function buildCommonJs(folder, files) {
  // There, tsc finds the same types as for the sources.
  const work = mkdtempSync(fileURLToPath(new URL("node_modules/.commonjs-", root)));
  try {
    const config = join(work, "tsconfig.json");
    const options = {
      noEmit: false,
      outDir: folder,
      rootDir: fileURLToPath(root),
      target: "es2022",
      module: "commonjs",
      moduleResolution: "bundler",
      rewriteRelativeImportExtensions: true,
      verbatimModuleSyntax: false,
    };
    const extended = fileURLToPath(new URL("tsconfig.json", root));
    const globals = fileURLToPath(new URL("scripts/types/deno.d.ts", root));
    const text = {
      extends: extended,
      compilerOptions: options,
      include: [],
      files: [...files, globals],
    };
    writeFileSync(config, JSON.stringify(text));
    const tsc = fileURLToPath(new URL("node_modules/typescript/bin/tsc", root));
    run(process.execPath, [tsc, "-p", config]);
    writeFileSync(join(folder, "package.json"), '{ "type": "commonjs" }\n');
    for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
      if (!name.endsWith(".d.ts")) continue;
      // tsc does that for the code only.
      const path = join(folder, name);
      const types = readFileSync(path, "utf8").replaceAll(/(\bfrom "\.[^"]*)\.ts"/g, '$1.js"');
      writeFileSync(path, types);
      // Those of `deno pack` lack members that are named by symbols.
      writeFileSync(join(folder, "..", name), types);
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function run(program, args) {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1" },
  });
  if (status !== 0) throw new Error(`${program}: ${error ?? stdout + stderr}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  setup();
  const folder = process.argv[2] ?? fileURLToPath(new URL("dist/", root));
  buildPackage(folder);
  console.log(folder);
}
