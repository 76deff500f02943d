import { assertEquals, assertStringIncludes } from "@std/assert";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { conform } from "../support/harness.ts";
import { program } from "../support/runtime.ts";

conform("what all objects inherit changes no start, no option and no result", async (t) => {
  const report = join(t.folder(), "report");
  // In a process of its own: a test runner has options too.
  await program("polluted", report).stderr("inherit").run();
  const { clean, different } = JSON.parse(readFileSync(report, "utf8"));
  assertStringIncludes(clean, "one two one through dry 0");
  assertEquals(different, {});
}, { timeoutMs: 120_000 });
