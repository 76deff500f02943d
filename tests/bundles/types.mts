// What the types of the package must allow, in ES modules and in CommonJS.

import { backendInfo, Command, type Result, secret, SpawnError, syscalls } from "vircommand";

async function main(): Promise<Result> {
  const cmd = new Command("echo", secret("x")).step(syscalls.prctl("PR_SET_NO_NEW_PRIVS", 1))
    .preExec("./hook.mjs", { some: "data" }, { runtime: "/usr/bin/node" });
  await using child = await cmd.spawn({ timeout: 1000 });
  return await child.wait();
}

main().catch((error: unknown) => {
  if (!(error instanceof SpawnError)) throw error;
  const path: string | undefined = error.path;
  console.error(backendInfo().driver, path);
});
