/** Runs a program many times, one after the other, and prints how often that was a success. */

import { Command } from "../../../mod.ts";

let successes = 0;
for (let i = 0; i < 500; i++) {
  const child = await new Command("true").spawn();
  const { status } = await child.wait();
  if (status.success) successes++;
}
console.log(successes);
