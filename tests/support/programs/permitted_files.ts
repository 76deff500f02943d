// Does what permissions may forbid, and reports what came of each.
import process from "node:process";

const [file = "", missing = "", exec] = process.argv.slice(2);
/** An exec that is permitted would end this report. */
const refusesExec = exec === "exec";
const { backendInfo, Command } = await import("../../../mod.ts");
const seen: Record<string, string> = { driver: backendInfo().driver };
const check = async (name: string, run: () => unknown) => {
  try {
    seen[name] = String(await run());
  } catch (error) {
    const { name: kind, code, cause } = error as Error & { code?: string };
    seen[name] = [kind, code, (cause as Error | undefined)?.name].filter((each) => each).join(" ");
  }
};
const echo = () => new Command("/bin/echo", "hello");
const cat = () => new Command("/bin/cat");

await check("chosen", () => echo().env("A_LD_X", "y").text());
await check("empty", () => echo().env("LD_PRELOAD", "").text());
await check("inherited", async () => (await echo().run()).stdout);
await check("variables", async () => {
  const variables = await new Command("/bin/cat", "/proc/self/environ").text();
  return variables.split("\0").find((each) => each.startsWith("MARK="));
});
for (const name of ["LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "DYLD_INSERT_LIBRARIES"]) {
  await check(name, () => echo().env(name, "/nowhere").text());
}
await check("sync LD_PRELOAD", () => echo().env("LD_PRELOAD", "/nowhere").runSync().stdout);
await check("spawn LD_PRELOAD", async () => {
  const child = await echo().env("LD_PRELOAD", "/nowhere").spawn();
  await child.wait();
});
if (refusesExec && "Deno" in globalThis) {
  await check("exec LD_PRELOAD", () => echo().env("LD_PRELOAD", "/nowhere").exec());
}
await check("stdin", () => cat().stdin({ file }).text());
await check("sync stdin", () => cat().stdin({ file }).runSync().stdout);
await check("stdout", async () => (await echo().stdout({ file: missing }).run()).code);
await check("stderr", () => echo().stderr({ file: missing, append: true }).runSync().code);
if (refusesExec) await check("exec stdout", () => echo().stdout({ file: missing }).exec());
await check("pidFile", async () => {
  const { daemonPid = 0 } = await cat().daemonize().pidFile(missing).run();
  return daemonPid > 0;
});
process.stdout.write(JSON.stringify(seen));
