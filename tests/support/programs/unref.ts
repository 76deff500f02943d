// Leaves a child behind, or waits for it: whether this process ends is what is tested.
import process from "node:process";
import { Command } from "../../../mod.ts";

const [what, path = ""] = process.argv.slice(2);
const touch = new Command("sh", "-c", 'sleep 0.2; echo done >"$0"', path);

if (what === "unref" || what === "unref limited") {
  const limits = what === "unref" ? {} : { timeout: 1_000_000 };
  const child = await new Command("sleep", 1000).stdin("pipe").stdout("pipe").spawn(limits);
  child.unref();
  process.stdout.write(`${child.pid}\n`);
} else if (what === "die") {
  const child = await new Command("sleep", 1000).spawn();
  process.stdout.write(`${child.pid}\n`, () => process.kill(process.pid, "SIGKILL"));
  await child.wait();
} else if (what === "wait") {
  await touch.run();
} else {
  const child = await touch.spawn();
  child.unref();
  child.ref();
}
