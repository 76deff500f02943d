// Prints what a hook is allowed to do in a process with the permissions of this one.
import process from "node:process";
import { Command, SpawnError } from "../../../mod.ts";

const [, , ...paths] = process.argv;
try {
  await new Command("/bin/true").preExec(new URL("../hooks/permissions.ts", import.meta.url), paths)
    .run();
} catch (error) {
  if (!(error instanceof SpawnError) || !(error.cause instanceof Error)) throw error;
  const [allowed] = JSON.parse(error.cause.message);
  process.stdout.write(JSON.stringify(allowed));
}
