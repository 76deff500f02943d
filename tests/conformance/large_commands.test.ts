import { assert, assertEquals } from "@std/assert";
import { readFileSync } from "node:fs";
import { Command } from "../../mod.ts";
import { conform } from "../support/harness.ts";

/** Ten arguments of 100 kB: more than what is kept in memory for the next command. */
const ARGUMENTS = Array<string>(10).fill("x".repeat(100_000));
const large = () => new Command("true", ...ARGUMENTS);

function addressSpaceMb(): number {
  const kb = /^VmSize:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  return Number(kb) / 1024;
}

conform("commands with a megabyte of arguments leave no memory mapped behind", async () => {
  const times = async (count: number) => {
    for (let i = 0; i < count; i++) {
      if (i % 2 === 0) assertEquals((await large().run()).code, 0);
      else assertEquals(large().runSync().code, 0);
    }
  };
  // The heap of the runtime has grown to what it takes by then.
  await times(10);
  const before = addressSpaceMb();
  await times(80);
  const grown = addressSpaceMb() - before;
  // Each takes three megabytes at least: UTF-16 units may become three bytes.
  assert(grown < 150, `${grown.toFixed(0)} MB more after 80 commands`);
}, { timeoutMs: 60_000 });
