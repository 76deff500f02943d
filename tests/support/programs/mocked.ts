// Loads the library while timers are mocked. Says what a time limit does, and whether an output that
// a descendant holds was read to its end.
import process from "node:process";
import { mockTimers } from "../mock_timers.ts";

await mockTimers();
const { Command, TimeoutError } = await import("../../../mod.ts");
const end = await new Command("sleep", 60).run({ timeout: 50 }).then(() => "ended", (error) => {
  return error instanceof TimeoutError ? "timeout" : String(error);
});
const { stdout, drained } = await new Command("sh", "-c", "sleep 60 & echo $!").run({ drain: 30 });
process.kill(parseInt(stdout), "SIGKILL");
console.log(`${end}, ${drained}`);
