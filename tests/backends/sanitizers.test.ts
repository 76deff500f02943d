import { assertEquals } from "@std/assert";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Command } from "../../mod.ts";
// @ts-types="../../scripts/runtimes.d.mts"
import { runtimes } from "../../scripts/runtimes.mjs";

const file = fileURLToPath(new URL("../support/programs/sanitized_test.ts", import.meta.url));

for (const driver of ["native", "portable"]) {
  test(`deno test finds no leak with its sanitizers: ${driver}`, async () => {
    const deno = [runtimes.deno.binary, "test", "-A", "--no-check", "--quiet", file];
    const cmd = Command.from(["env", `VIRCOMMAND_DRIVER=${driver}`, "NO_COLOR=1", ...deno]);
    const { stdout, code } = await cmd.run({ check: false, timeout: 60_000 });
    assertEquals([code, /Leaks detected:[^]*/.exec(stdout)?.[0]], [0, undefined]);
  });
}
