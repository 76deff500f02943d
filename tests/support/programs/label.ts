// Starts a program under a label, or becomes it, and tells if it could not.
// Arguments: the module, the label, the way, and the program's own.
import process from "node:process";
import { Command, type SpawnError } from "../../../mod.ts";

const [module, label = "", way = "", ...argv] = process.argv.slice(2);
const cmd = Command.from(argv);
if (module === "apparmor") cmd.apparmorProfile(label);
else cmd.selinuxLabel(label);
try {
  if (way === "exec") cmd.exec();
  process.stdout.write((await cmd.run()).stdout);
} catch (error) {
  const { name, step, code, message } = error as SpawnError;
  process.stdout.write(JSON.stringify({ name, step, code, message }));
}
