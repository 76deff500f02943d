import { assert, assertEquals } from "@std/assert";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";

const index = new URL("../../docs/from-libvirt.md", import.meta.url);
const rows = readFileSync(index, "utf8").split("\n").filter((line) => line.startsWith("| vir"));

test("every row says what to write instead, and names a test that exists", () => {
  for (const row of rows) {
    const [, , instead = "", proof = ""] = row.split(/(?<!\\)\|/).map((cell) => cell.trim());
    assert(instead !== "", row);
    const [, path = "", name = ""] = /\]\(([^)]+)\): `(.+)`$/.exec(proof) ?? [];
    const file = new URL(path, index);
    assert(path !== "" && existsSync(file), row);
    assert(readFileSync(file, "utf8").includes(`"${name}"`), `${path} has no test “${name}”`);
  }
});

test("no function stands there twice, and none is forgotten", () => {
  const names = rows.map((row) => /\w+/.exec(row)?.[0] ?? "");
  assertEquals(names.length, new Set(names).size);
  assertEquals(names.length, 88);
});
