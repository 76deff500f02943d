// Closes its own standard output, runs commands of every kind, and reports what has taken the number
// meanwhile, and what becomes of a command that is to inherit it.
import { readlinkSync, writeFileSync } from "node:fs";
import process from "node:process";
import { backendInfo, Command } from "../../../mod.ts";

const [report = "", number = "1", file = ""] = process.argv.slice(2);
const fd = Number(number);
const original = readlinkSync(`/proc/self/fd/${fd}`);
await new Command("true").passFd(fd, { as: 9, closeParent: true }).run();

const taken = new Set<string>();
const look = () => {
  try {
    taken.add(readlinkSync(`/proc/self/fd/${fd}`));
  } catch {
    // It is closed.
  }
};
const inherit = () => {
  const cmd = new Command("true");
  return fd === 0 ? cmd.stdin(fd) : fd === 1 ? cmd.stdout(fd) : cmd.stderr(fd);
};
const outcome = async (run: () => unknown) => {
  try {
    await run();
    return "ran";
  } catch (error) {
    return `${(error as Error).name} ${(error as { code?: string }).code}`;
  }
};

const { features } = backendInfo();
const outcomes = [await outcome(() => inherit().run())];
await new Command("cat").stdin("x").run();
look();
new Command("cat").stdin("x").runSync();
await new Command("true").stdout({ file }).run();
await new Command("cat").stdin({ file }).run();
look();
// More than are asked one by one: the others have pidfds in an epoll set.
const many = await Promise.all(Array.from({ length: 8 }, () => new Command("sleep", 100).spawn()));
look();
outcomes.push(await outcome(() => inherit().run()));
outcomes.push(await outcome(() => inherit().runSync()));
for (const child of many) child.kill("SIGKILL");
await Promise.all(many.map((child) => child.wait({ check: false })));
if (features["handshake"] === true) {
  const child = await new Command("true").handshake().spawn();
  await child.handshakeWait();
  look();
  await child.handshakeNotify();
  await child.wait();
}
if (features["sendBuffer"] === true) {
  const cmd = new Command("cat");
  await cmd.arg(`/proc/self/fd/${cmd.sendBuffer("sent")}`).run();
}
look();
outcomes.push(await outcome(() => inherit().run()));
writeFileSync(report, JSON.stringify({ original, taken: [...taken], outcomes }));
