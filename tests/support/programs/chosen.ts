// Reports which driver serves here and why, or the error, and what came of two runs.
import process from "node:process";
import { backendInfo, Command, type UnsupportedError } from "../../../mod.ts";

const told: Record<string, unknown> = {};
try {
  const { driver, reason } = backendInfo();
  told["driver"] = driver;
  told["reason"] = reason;
} catch (error) {
  const { name, driver, message, cause } = error as UnsupportedError;
  told["error"] = { name, driver, message, hasCause: cause instanceof Error };
}
for (
  const [what, run] of [
    ["run", async () => (await new Command("/bin/cat").stdin("run").run()).stdout],
    [
      "merged",
      () => new Command("/bin/sh", "-c", "echo out; echo err >&2").stderr("stdout").text(),
    ],
    ["runSync", () => new Command("/bin/cat").stdin("runSync").runSync().stdout],
  ] as const
) {
  try {
    told[what] = await run();
  } catch (error) {
    told[what] = (error as Error).name;
  }
}
process.stdout.write(JSON.stringify(told));
