// Prints what this process makes of an environment that is not to be trusted.
import process from "node:process";
import { backendInfo, Command } from "../../../mod.ts";

const chosen = await new Command("env").envPass("BLOCKED", { setuid: "block" }).envPass("PASSED")
  .text();
const common = await new Command("env").envPassCommon().text();
const lines = (text: string) => text.split("\n").slice(0, -1);
process.stdout.write(JSON.stringify({
  driver: backendInfo().driver,
  chosen: lines(chosen),
  common: lines(common),
}));
