// Starts a child that needs a second stage, and one with a hook; prints what came of each.
import process from "node:process";
import { backendInfo, Command } from "../../../mod.ts";

// From here on: a runtime may write to files of its own while it starts.
if (process.argv[2] === "limited") {
  await new Command("prlimit", "--fsize=0", "--pid", process.pid).run();
}
const came: Record<string, unknown> = { stage: backendInfo().stage ?? null };
const hook = new URL("../hooks/fail.ts", import.meta.url).href;
const commands = {
  handshake: async () => {
    const child = await new Command("true").handshake().spawn();
    await child.handshakeNotify();
    return (await child.wait()).code;
  },
  hook: async () => (await new Command("true").preExec(hook, "not").run()).code,
};
for (const [name, run] of Object.entries(commands)) {
  try {
    came[name] = await run();
  } catch (error) {
    const { code, step } = error as { code?: string; step?: string };
    came[name] = `${step} ${code}`;
  }
}
console.log(JSON.stringify(came));
