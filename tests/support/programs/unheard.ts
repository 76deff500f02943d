// Starts children while SIGCHLD is not heard. Says with which codes they end, how many milliseconds
// the fastest took, whether signals are heard again afterwards ("-" where nothing was to be heard),
// and the pid of a child that is left running and must not keep this program.
import process from "node:process";

const [how = ""] = process.argv.slice(2);

const real = process;
if (how === "copy") {
  // As Jest does it: what is emitted on the process does not reach the copy.
  const copy = Object.create(Object.getPrototypeOf(process) as object) as typeof process;
  const { _events: _, ...properties } = Object.getOwnPropertyDescriptors(process) as
    & Record<string, PropertyDescriptor>
    & { _events?: PropertyDescriptor };
  Object.defineProperties(copy, properties);
  Object.defineProperty(globalThis, "process", { value: copy });
}
const { backendInfo, Command } = await import("../../../mod.ts");

function deafen(): void {
  if (how === "SIGCHLD") process.removeAllListeners("SIGCHLD");
  if (how === "all") process.removeAllListeners();
}

const cmd = new Command("sh", "-c", "exit 3");
const options = { check: false, timeout: 20_000 };
const codes = new Set<number>();
let fastest = Infinity;
for (let i = 0; i < 5; i++) {
  codes.add((await cmd.run(options)).code ?? -1);
  deafen();
  const since = performance.now();
  codes.add((await cmd.run(options)).code ?? -1);
  fastest = Math.min(fastest, performance.now() - since);
}

async function hears(): Promise<boolean> {
  let heard = false;
  const listener = () => heard = true;
  for (let i = 0; i < 500 && real.listenerCount("SIGCHLD") === 0; i++) await cmd.run(options);
  real.on("SIGCHLD", listener);
  for (let i = 0; i < 500 && !heard; i++) await cmd.run(options);
  real.off("SIGCHLD", listener);
  return heard;
}

const listens = backendInfo().driver === "native" && !("Deno" in globalThis) && how !== "copy";
const heard = listens ? await hears() : "-";
deafen();
const child = await new Command("sleep", 60).spawn();
child.unref();
console.log([...codes].join(), fastest < 100, heard, child.pid);
