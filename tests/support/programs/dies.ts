// Starts a program that is to die with this process, in the way that its arguments say, and then
// waits for its own end. The program writes its pid to a file.
import process from "node:process";
import { Worker } from "node:worker_threads";
import { Command, type SignalName, syscalls } from "../../../mod.ts";

const [how = "", signal = "", path = "", script = "", ...more] = process.argv.slice(2);
const cmd = new Command("sh", "-c", script, path).dieWithParent(signal as SignalName);
if (more.includes("user")) cmd.uid(65534).gid(65534).groups([]);
if (more.includes("caps")) cmd.clearCaps().allowCap("net_raw");
if (more.includes("privs")) cmd.noNewPrivs();
if (more.includes("hook")) cmd.preExec(new URL("../hooks/fail.ts", import.meta.url), "fine");
if (more.includes("stage")) cmd.nice(1);
if (more.includes("fifos")) {
  const [AT_FDCWD, O_RDONLY, O_WRONLY] = [-100, 0, 1];
  cmd.step(
    syscalls.raw("openat", AT_FDCWD, `${path}.reached`, O_WRONLY, 0),
    syscalls.raw("openat", AT_FDCWD, `${path}.go`, O_RDONLY, 0),
  );
}
if (how === "runSync") cmd.runSync();
if (how === "exec") cmd.stdin("inherit").stdout("inherit").stderr("inherit").exec();
if (how === "run") await cmd.run();
if (how === "spawn") await cmd.spawn();
if (how === "worker") {
  // Node and Bun have no native driver in workers: there it is chosen anew.
  const { VIRCOMMAND_DRIVER: driver, ...others } = process.env;
  const worker = new Worker(new URL("dies_worker.ts", import.meta.url), {
    env: driver === "native" ? others : process.env,
    workerData: { script, path },
  });
  process.stdin.once("data", () => worker.postMessage("end"));
}
setInterval(() => {}, 1000);
