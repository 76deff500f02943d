import { assert, assertEquals } from "@std/assert";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

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
  for (const name of readdirSync(CORE)) if (name.endsWith(".ts")) visit(join(CORE, name));
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
  const child = graph().get(join(CORE, "child.ts")) ?? [];
  assert(child.includes("./streams.ts"));
  assert(graph().size > 20);
});

test("core imports nothing but core", () => {
  for (const [path, imports] of graph()) {
    for (const each of imports) {
      const name = `${relative(CORE, path)} imports ${each}`;
      assert(each.startsWith("./"), name);
      assert(!relative(CORE, join(dirname(path), each)).startsWith(".."), name);
    }
  }
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
