// Runs commands of every kind, and then becomes a program that lists what it has inherited.
import process from "node:process";
import { backendInfo, Command } from "../../../mod.ts";

const [folder = ""] = process.argv.slice(2);
const { features } = backendInfo();
const cmd = () => new Command("cat");

await cmd().stdin("x").run();
cmd().stdin("x").runSync();
await cmd().stdin("x").stdout({ file: `${folder}/out` }).run();
await Promise.all(Array.from({ length: 8 }, () => new Command("sleep", 0.05).run()));
if (features["preExec"]) {
  await new Command("true").preExec(new URL("../hooks/fail.ts", import.meta.url), "no").run();
}
// What is still open belongs to children that run.
await cmd().stdin("pipe").stdout("pipe").spawn();
await Promise.all(Array.from({ length: 6 }, () => new Command("sleep", 1).spawn()));
if (features["handshake"]) await (await cmd().handshake().spawn()).handshakeWait();
if (features["sendBuffer"]) {
  const sending = new Command("sleep", 1);
  sending.sendBuffer("x".repeat(100_000));
  await sending.spawn();
}
const become = new Command("ls", "-l", "/proc/self/fd").stdin({ file: `${folder}/out` });
(backendInfo().driver === "native" ? become : new Command("ls", "-l", "/proc/self/fd")).exec();
