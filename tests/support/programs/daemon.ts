// Leaves a daemon behind and ends; whether it ends, and the daemon stays, is what is tested.
import process from "node:process";
import { Command } from "../../../mod.ts";

const { daemonPid } = await new Command("sleep", 1000).daemonize().run();
process.stdout.write(`${daemonPid}\n`);
