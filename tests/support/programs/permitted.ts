// Runs a few programs with the permissions that it was given, and tells what came of each.
import process from "node:process";

const tell: Record<string, string> = {};
try {
  const { backendInfo, Command } = await import("../../../mod.ts");
  const check = async (name: string, run: () => unknown) => {
    try {
      tell[name] = String(await run());
    } catch (error) {
      const { name: kind, code } = error as { name?: string; code?: string };
      tell[name] = code === undefined ? `${kind}` : `${kind} ${code}`;
    }
  };
  await check("driver", () => backendInfo().driver);
  await check("echo", () => new Command("/bin/echo", "hello").text());
  await check("sync", () => new Command("/bin/echo", "hello").runSync().stdout);
  await check("true", async () => (await new Command("/bin/true").run()).code);
  await check("spawn", async () => (await (await new Command("/bin/true").spawn()).wait()).code);
} catch (error) {
  tell["import"] = String(error);
}
process.stdout.write(JSON.stringify(tell));
