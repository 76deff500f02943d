// Starts a daemon with a pid file, and prints its pid.
import process from "node:process";
import { Command } from "../../../mod.ts";

const [, , path = ""] = process.argv;
const { daemonPid } = await new Command("sleep", 1000).daemonize().pidFile(path).run();
process.stdout.write(`${daemonPid}\n`);
