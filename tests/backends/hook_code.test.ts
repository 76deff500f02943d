import { assert } from "@std/assert";
import { readFileSync } from "node:fs";
import { test } from "node:test";
// @ts-types="../../scripts/hook_code.d.mts"
import { file, hookCodeFile } from "../../scripts/hook_code.mjs";

test("the program of a hook is the text of its source", () => {
  assert(readFileSync(file, "utf8") === hookCodeFile(), "run: node scripts/hook_code.mjs");
});
