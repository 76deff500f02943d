// Lets the error of a command escape, as programs do that catch nothing. What the runtime prints of
// it is seen by everybody who reads the log. The argument says which error.
import process from "node:process";
import { Command, secret } from "../../../mod.ts";

const withSecrets = (cmd: Command) =>
  cmd.arg(secret("hunter2-secret")).env("TOKEN", "hunter2-value");
const ERRORS: Readonly<Record<string, () => unknown>> = {
  exit: () => withSecrets(new Command("sh", "-c", "exit 3")).run(),
  "exit sync": () => withSecrets(new Command("sh", "-c", "exit 3")).runSync(),
  spawn: () => withSecrets(new Command("/no/such/program")).run(),
  timeout: () => withSecrets(new Command("sh", "-c", "exec sleep 1000")).run({ timeout: 20 }),
  abort: () =>
    withSecrets(new Command("sh", "-c", "exec sleep 1000")).run({
      signal: AbortSignal.timeout(20),
    }),
};
await ERRORS[process.argv[2] ?? ""]?.();
