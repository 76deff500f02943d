// Prints the soft limit on open files of a child that asks for one.
import process from "node:process";
import { Command } from "../../../mod.ts";

process.stdout.write(await new Command("sh", "-c", "ulimit -Sn").limit("nofile", 300, 400).text());
