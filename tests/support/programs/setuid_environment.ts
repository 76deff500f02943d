// Runs with different real and effective user ids, and prints which environment a child gets.
import process from "node:process";
import { Command } from "../../../mod.ts";

const chosen = await new Command("env")
  .envPass("BLOCKED", { setuid: "block" })
  .envPass("DEFAULTED", { setuid: "block", default: "safe" })
  .envPass("PASSED")
  .text();
const common = await new Command("env").envPassCommon().text();
const lines = (text: string) => text.split("\n").slice(0, -1);
process.stdout.write(JSON.stringify({ chosen: lines(chosen), common: lines(common) }));
