// Runs a hook that writes down its environment.
import process from "node:process";
import { Command } from "../../../mod.ts";

const [, , path = ""] = process.argv;
await new Command("/bin/true").preExec(new URL("../hooks/system.ts", import.meta.url), path)
  .run();
