import { assert, assertEquals } from "@std/assert";
import { closeSync, openSync, writeSync } from "node:fs";
import process from "node:process";
import { backendInfo, SpawnError, UnsupportedError } from "../../mod.ts";
import { conform, type Context } from "../support/harness.ts";
import { PROBES } from "../support/probes.ts";

/** What became of a probe. */
async function outcomeOf(probe: (context: Context) => unknown, context: Context): Promise<string> {
  try {
    await probe(context);
    return "works";
  } catch (error) {
    if (error instanceof UnsupportedError) {
      // The security modules: the driver could, the kernel has none.
      return error.message.includes("is not enabled in this kernel") ? "refused" : "unsupported";
    }
    if (error instanceof SpawnError) return "refused";
    throw error;
  }
}

for (const [feature, probe] of Object.entries(PROBES)) {
  conform(`${feature}: it is there if and only if the driver says so`, async (context) => {
    const { driver, features } = backendInfo();
    const outcome = await outcomeOf(probe, context);
    if (features[feature] === true) assert(outcome !== "unsupported", outcome);
    if (features[feature] === false) assert(outcome !== "works", outcome);
    if (features[feature] === undefined) assertEquals(outcome, "works");
    note({ name: process.env["VIRCOMMAND_TEST_RUNTIME"], driver, feature, outcome });
  }, { root: true });
}

/** For the table in docs/support.md. */
function note(seen: Readonly<Record<string, string | undefined>>): void {
  const file = process.env["VIRCOMMAND_TEST_SUPPORT"];
  if (file === undefined) return;
  const fd = openSync(file, "a");
  writeSync(fd, `${JSON.stringify(seen)}\n`);
  closeSync(fd);
}
