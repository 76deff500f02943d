// Runs the program that its arguments name, and prints its output.
import process from "node:process";
import { Command } from "../../../mod.ts";

const { stdout } = await Command.from(process.argv.slice(2)).run();
process.stdout.write(stdout);
