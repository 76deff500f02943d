// Runs a few programs with the permissions that it was given, and tells what came of each.
import process from "node:process";
import type { PermissionError } from "../../../mod.ts";

const tell: Record<string, string> = {};
try {
  const { backendInfo, Command } = await import("../../../mod.ts");
  const check = async (name: string, run: () => unknown) => {
    try {
      tell[name] = String(await run());
    } catch (error) {
      const { name: kind, code, permission, resource, cause } = error as Partial<PermissionError>;
      const known = [kind, code, permission, resource, (cause as Error | undefined)?.name];
      tell[name] = known.filter((each) => each !== undefined).join(" ");
    }
  };
  await check("driver", () => backendInfo().driver);
  await check("echo", () => new Command("/bin/echo", "hello").text());
  await check("sync", () => new Command("/bin/echo", "hello").runSync().stdout);
  const large = "x".repeat(200_000);
  await check("input", () => new Command("/bin/cat").stdin(large).runSync().stdout.length);
  await check("true", async () => (await new Command("/bin/true").run()).code);
  await check("spawn", async () => (await (await new Command("/bin/true").spawn()).wait()).code);
} catch (error) {
  tell["import"] = String(error);
}
process.stdout.write(JSON.stringify(tell));
