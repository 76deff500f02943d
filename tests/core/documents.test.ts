/**
 * What the documentation shows has to run, and what it links to has to be there.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";

const root = new URL("../../", import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), "utf8");

const PAGES = ["README.md", "docs/guide.md", "docs/errors.md"];
const LINKED = [
  ...PAGES,
  ...readdirSync(new URL("docs/", root)).filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
  ...readdirSync(new URL("docs/decisions/", root)).map((name) => `docs/decisions/${name}`),
];
const SOURCES = [
  "mod.ts",
  ...readdirSync(new URL("core/", root), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts")).map((name) => `core/${name}`),
];

/** The examples of a page, and of the comments of a source. */
function examplesOf(path: string): string[] {
  const text = path.endsWith(".ts") ? read(path).replaceAll(/^ *\* ?/gm, "") : read(path);
  return [...text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code = ""]) => code);
}

const EXAMPLES = [...PAGES, ...SOURCES].flatMap((path) =>
  examplesOf(path).map((code) => ({ path, code }))
);

test("there are examples", () => {
  assert(EXAMPLES.length > 20, `${EXAMPLES.length}`);
});

test("every example of the documentation and of the doc comments runs", () => {
  const folder = mkdtempSync(join(tmpdir(), "vircommand-documents-"));
  try {
    const names = EXAMPLES.map(({ code }, i) => {
      const name = `example-${i}.ts`;
      const own = code.replaceAll(/"(jsr:)?(@vircommand\/)?vircommand"/g, `"${root.href}mod.ts"`);
      writeFileSync(join(folder, name), own);
      return name;
    });
    // One process for all: they are short, and a runtime takes its time to start.
    const all = join(folder, "all.ts");
    const imports = names.map((name, i) =>
      `try { await import("./${name}"); } catch (error) { console.error("FAILED ${i}", error); }`
    );
    writeFileSync(all, `${imports.join("\n")}\nexport {};\n`);
    const flags = "Deno" in globalThis ? ["run", "-A", "--quiet", "--no-check"] : [];
    const { stderr, status } = spawnSync(process.execPath, [...flags, all], {
      encoding: "utf8",
      timeout: 60_000,
      cwd: folder,
    });
    const failed = [...stderr.matchAll(/^FAILED (\d+) (.*)$/gm)].map(([, i, why]) =>
      `${EXAMPLES[Number(i)]?.path}: ${why}\n${EXAMPLES[Number(i)]?.code}`
    );
    assertEquals(failed.join("\n"), "");
    assertEquals(status, 0, stderr);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("every relative link leads to a file", () => {
  for (const page of LINKED) {
    for (const [, target = ""] of read(page).matchAll(/\]\(([^)#]+)[^)]*\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      assert(existsSync(new URL(target, new URL(page, root))), `${page} links to ${target}`);
    }
  }
});
