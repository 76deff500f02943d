/** Runs a program so many times, one after the other, and prints how often that was a success. */

import process from "node:process";
import { Command } from "../../../mod.ts";

let successes = 0;
for (let i = 0; i < Number(process.argv[2]); i++) {
  const child = await new Command("true").spawn();
  const { status } = await child.wait();
  if (status.success) successes++;
}
console.log(successes);
