// Leaves a child behind, or waits for it: whether this process ends is what is tested.
import process from "node:process";
import { Command } from "../../../mod.ts";

const [what, path = ""] = process.argv.slice(2);
const touch = new Command("sh", "-c", 'sleep 0.2; echo done >"$0"', path);

/** Outputs that are captured or left unread. */
const CONNECTED = {
  captured: (cmd: Command) => cmd.stdout("capture").stderr("capture"),
  piped: (cmd: Command) => cmd.stdin("pipe").stdout("pipe").stderr("pipe"),
  merged: (cmd: Command) => cmd.stdout("pipe").stderr("stdout"),
};

if (what === "unref" || what === "unref limited") {
  const limits = what === "unref" ? {} : { timeout: 1_000_000 };
  const child = await new Command("sleep", 1000).stdin("pipe").stdout("pipe").spawn(limits);
  child.unref();
  process.stdout.write(`${child.pid}\n`);
} else if (what !== undefined && Object.hasOwn(CONNECTED, what)) {
  const cmd = new Command(
    "sh",
    "-c",
    "echo out; echo err >&2; yes | head -c 3000000; exec sleep 1000",
  );
  const child = await CONNECTED[what as keyof typeof CONNECTED](cmd).spawn();
  child.unref();
  process.stdout.write(`${child.pid}\n`);
} else if (what === "die") {
  const child = await new Command("sleep", 1000).spawn();
  process.stdout.write(`${child.pid}\n`, () => process.kill(process.pid, "SIGKILL"));
  await child.wait();
} else if (what === "wait") {
  await touch.run();
} else {
  const child = await touch.spawn();
  child.unref();
  child.ref();
}
