import { assert, assertEquals } from "@std/assert";
import { backendInfo, SpawnError, UnsupportedError } from "../../mod.ts";
import { conform, type Context } from "../support/harness.ts";
import { PROBES } from "../support/probes.ts";
import { noteSeen } from "../support/seen.ts";

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
    const { features } = backendInfo();
    const outcome = await outcomeOf(probe, context);
    if (features[feature] === true) assert(outcome !== "unsupported", outcome);
    if (features[feature] === false) assert(outcome !== "works", outcome);
    if (features[feature] === undefined) assertEquals(outcome, "works");
    noteSeen(feature, outcome);
  }, { root: true });
}
