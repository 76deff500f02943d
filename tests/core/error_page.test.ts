/**
 * docs/errors.md lists what there is: every class and where it stands, every step.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { ORDER } from "../../core/plan/order.ts";
import * as api from "../../mod.ts";

const page = readFileSync(new URL("../../docs/errors.md", import.meta.url), "utf8");

/** The error classes that mod.ts exports, by name. */
const classes = new Map(
  Object.entries<unknown>(api).filter((entry): entry is [string, typeof Error] =>
    typeof entry[1] === "function" && entry[1].prototype instanceof Error
  ),
);

/** What stands in the first column of the tables whose heading is that word. */
function column(heading: string): string[] {
  const lines = page.split("\n");
  const at = lines.findIndex((line) => new RegExp(`^\\| ${heading}\\s+\\|`).test(line));
  const rows = lines.slice(at + 2, lines.indexOf("", at));
  return rows.flatMap((row) => [...(row.split("|")[1] ?? "").matchAll(/`(\w+)`/g)])
    .map(([, name = ""]) => name);
}

/** The tree of the page, as pairs of a class and the one that it extends. */
function tree(): [name: string, base: string][] {
  const block = /```text\n(CommandError\n[\s\S]*?)```/.exec(page)?.[1] ?? "";
  const open: string[] = [];
  return block.trimEnd().split("\n").flatMap((line): [string, string][] => {
    const name = /\w+/.exec(line)?.[0] ?? "";
    const depth = line.indexOf(name) / 4;
    open[depth] = name;
    const base = open[depth - 1];
    return base === undefined ? [] : [[name, base]];
  });
}

test("there are error classes, and all of them are CommandErrors", () => {
  assert(classes.size >= 12);
  for (const [name, Class] of classes) {
    assert(name === "CommandError" || Class.prototype instanceof api.CommandError, name);
  }
});

test("the page has a row for every class that is exported, and for no other", () => {
  assertEquals(column("class").toSorted(), [...classes.keys()].toSorted());
});

test("the tree of the page has every class where it stands in the code", () => {
  const base = (name: string) => {
    const prototype = Object.getPrototypeOf(classes.get(name)?.prototype ?? {});
    return String(prototype?.constructor?.name);
  };
  const others = [...classes.keys()].filter((name) => name !== "CommandError");
  const pairs = tree();
  assertEquals(pairs.map(([name]) => name).toSorted(), others.toSorted());
  for (const [name, extended] of pairs) assertEquals([name, base(name)], [name, extended]);
});

test("the fields that the page names are there", () => {
  const spawn = new api.SpawnError({ step: "exec", syscall: "execve", args: [], errno: 2 });
  const carried: Record<string, Error> = {
    UnsupportedError: new api.UnsupportedError({ feature: "f", driver: "d", remedy: "r" }),
    PermissionError: new api.PermissionError("m", { code: "c", cause: "c" }),
    SpawnError: new api.SpawnError({ ...spawn, cause: "c" }),
    SystemCallError: new api.SystemCallError("read", 5),
    AbortError: new api.AbortError("m", { cause: "c" }),
  };
  for (const row of page.split("\n")) {
    const [, name = "", carries = ""] = /^\| `(\w+)`.*\|([^|]*)\|$/.exec(row) ?? [];
    const error = carried[name];
    if (error === undefined) continue;
    for (const [, field = ""] of carries.matchAll(/`(\w+)`/g)) {
      assert(field in error, `${name}.${field}`);
    }
  }
});

test("the page lists every step, in order, after the clone", () => {
  assertEquals(column("step"), ["clone", ...ORDER]);
});

test("every class is described where it is exported", () => {
  const source = ["errors", "result_errors"]
    .map((name) => readFileSync(new URL(`../../core/${name}.ts`, import.meta.url), "utf8"))
    .join("\n");
  assert(!/\*\/\n\s*\/\*\*/.test(source), "two doc comments in a row");
  for (const name of classes.keys()) {
    assert(new RegExp(`\\*/\\nexport class ${name}\\b`).test(source), name);
  }
});
