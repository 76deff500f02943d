// Prints the status of a child that may have one more capability, as its argument says.
import process from "node:process";
import { type CapabilityName, Command } from "../../../mod.ts";

const cmd = new Command("cat", "/proc/self/status");
for (const name of process.argv.slice(2)) cmd.allowCap(name as CapabilityName);
process.stdout.write(await cmd.text());
