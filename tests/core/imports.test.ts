import { assert, assertEquals } from "@std/assert";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
// @ts-types="../../scripts/floors.d.mts"
import { FLOORS, generated, placeOf } from "../../scripts/floors.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const CORE = fileURLToPath(new URL("../../core", import.meta.url));

/** A source without its comments, which hold examples. Comments stand on lines of their own. */
function codeOf(path: string): string {
  return readFileSync(path, "utf8").split("\n").filter((line) => !/^\s*(\/\/|\/?\*)/.test(line))
    .join("\n");
}

/** What a source imports, statically or not. */
function importsOf(code: string): string[] {
  const found = code.matchAll(
    /(?:^|\n)\s*(?:import|export)\b[^;"'`]*?\bfrom\s*["']([^"']+)["']|(?:^|\n)\s*import\s*["']([^"']+)["']|\bimport\s*\(\s*([^)]*)\)/g,
  );
  return [...found].map(([, from, bare, dynamic]) => from ?? bare ?? dynamic ?? "");
}

/** The sources in a folder, however deep. */
function sourcesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts")).map((name) => join(folder, name));
}

/** All sources of core that can be reached from its files. */
function graph(): Map<string, string[]> {
  const seen = new Map<string, string[]>();
  const visit = (path: string) => {
    if (seen.has(path)) return;
    const imports = importsOf(codeOf(path));
    seen.set(path, imports);
    for (const each of imports) {
      const target = join(dirname(path), each);
      if (each.startsWith(".") && !relative(CORE, target).startsWith("..")) visit(target);
    }
  };
  for (const path of sourcesIn(CORE)) visit(path);
  return seen;
}

test("the walk finds what a source imports, and nothing in comments", () => {
  const code = [
    'import { a } from "./a.ts";',
    "import type {",
    "  b,",
    '} from "./b.ts";',
    'import "./c.ts";',
    'export * from "./d.ts";',
    'const e = await import("./e.ts");',
  ].join("\n");
  assertEquals(importsOf(code), ["./a.ts", "./b.ts", "./c.ts", "./d.ts", '"./e.ts"']);
  const child = graph().get(join(CORE, "run", "child.ts")) ?? [];
  assert(child.includes("./outputs.ts"));
  assert(graph().size > 20);
});

test("core imports nothing but core", () => {
  for (const [path, imports] of graph()) {
    for (const each of imports) {
      const name = `${relative(CORE, path)} imports ${each}`;
      assert(/^\.\.?\//.test(each), name);
      assert(!relative(CORE, join(dirname(path), each)).startsWith(".."), name);
    }
  }
});

/** The sources of the library, below its root. */
function sources(): string[] {
  const found = ["core", "backends"].flatMap((folder) => sourcesIn(join(ROOT, folder)));
  return ["mod.ts", ...found.map((path) => relative(ROOT, path))].sort();
}

test("every source stands on a floor, and no entry of the list is empty", () => {
  for (const path of sources()) assert(placeOf(path) !== undefined, path);
  const taken = new Set(sources().map((path) => placeOf(path)?.name));
  for (const [name] of FLOORS.flat()) assert(taken.has(name), name);
});

test("a source imports only what is in its own folder or on a floor below, types included", () => {
  let checked = 0;
  for (const path of sources()) {
    const own = placeOf(path);
    assert(own !== undefined, path);
    for (const each of importsOf(codeOf(join(ROOT, path)))) {
      const spec = each.replace(/^["']|["']$/g, "");
      if (!spec.startsWith(".")) continue;
      const target = relative(ROOT, join(ROOT, dirname(path), spec));
      const there = placeOf(target);
      assert(there !== undefined, `${path} imports ${target}`);
      const below = there.floor < own.floor || there.name === own.name;
      assert(below, `${path} imports ${target}, which is not below it`);
      checked++;
    }
  }
  assert(checked > 500, `${checked}`);
});

test("an import that goes up is found", () => {
  const [low, high] = [placeOf("core/tables/errno.ts"), placeOf("core/run/child.ts")];
  assert(low !== undefined && high !== undefined && low.floor < high.floor);
  assertEquals(placeOf("core/elsewhere.ts"), undefined);
});

test("the documentation shows the list of floors, and its drawing", () => {
  for (const [path, text] of generated()) {
    const file = readFileSync(join(ROOT, path), "utf8");
    assert(file === text, `${path} is out of date: node scripts/floors.mjs`);
  }
});

test("one module of core asks for a backend", () => {
  const callers = [...graph().keys()].filter((path) => /(?<![.\w])backend\(/.test(codeOf(path)));
  assertEquals(callers.map((path) => relative(CORE, path)).sort(), [
    "backend.ts",
    "run/chosen_backend.ts",
  ]);
});

test("core names no global of a runtime", () => {
  for (const path of graph().keys()) {
    const code = codeOf(path);
    // A local variable may have such a name; then the file declares it.
    const isLocal = (name: string) =>
      new RegExp(`\\b(const|let)\\s+(${name}\\b|\\{[^}]*\\b${name}\\b)`).test(code);
    for (const name of ["Deno", "Bun", "process", "require", "Buffer", "globalThis"]) {
      const used = new RegExp(`(?<![.#\\w"'\`])${name}\\s*[.([]`).test(code);
      assert(!used || isLocal(name), `${relative(CORE, path)} uses ${name}`);
    }
  }
});

test("core does nothing when it is imported: no top-level await, no timers", () => {
  for (const path of graph().keys()) {
    assert(!/^(await|setTimeout|setInterval)\b/m.test(codeOf(path)), relative(CORE, path));
  }
});

/** The imports of a source that a runtime or a bundler carries out: not those of types. */
function loadedBy(code: string): string[] {
  const loaded = code.replaceAll(/(^|\n)\s*(?:import|export) type\b[^;]*;/g, "$1");
  // The text of another program has its imports in a template.
  return importsOf(loaded).filter((each) => !each.startsWith("${"));
}

test("no source awaits when it is loaded, nor imports what only one runtime has", () => {
  // Modules that all runtimes have, of every supported release.
  const known = /^(\.|node:(?!(ffi|sea|sqlite|test)\b))/;
  for (const path of sources()) {
    const code = codeOf(join(ROOT, path));
    // What is indented is in a function, or in an expression that does not wait.
    assert(
      !/^(await|for await|(export )?(const|let) [^=]*= *await)\b|^ {0,2}[:?] await\b/m.test(code),
      path,
    );
    for (const each of loadedBy(code)) {
      const spec = each.replace(/^["']|["']$/g, "");
      // This one is in the text of a hook, and not loaded by the library.
      if (path === "backends/hook/main.ts") continue;
      assert(known.test(spec), `${path} imports ${spec}`);
    }
  }
  assert(loadedBy('import { a } from "./a.ts";\nimport type { b } from "bun:ffi";').length === 1);
});

test("only the clock uses the timers that a test may replace", () => {
  // The worker has globals of its own, which no test reaches.
  const clocks = ["core/clock.ts", "backends/clock.ts", "backends/deno/sync_worker.ts"];
  for (const path of sources()) {
    if (clocks.includes(path)) continue;
    const code = codeOf(join(ROOT, path));
    const timer = /(?<![.\w])(set(Timeout|Interval|Immediate)|queueMicrotask|process\.nextTick)\(/;
    assert(!timer.test(code), `${path}: ${timer.exec(code)?.[0]}`);
    if (!/\bperformance\.now\(/.test(code)) continue;
    assert(/import \{[^}]*\bperformance\b[^}]*\} from "[./a-z]*\/clock\.ts"/.test(code), path);
  }
});
