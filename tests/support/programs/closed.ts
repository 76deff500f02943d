// Closes standard descriptors of its own, runs commands of every kind, and writes a report.
import { writeFileSync } from "node:fs";
import process from "node:process";
import { Command, SpawnError } from "../../../mod.ts";

const [report = "", closed = ""] = process.argv.slice(2);

// The library itself is the one way of closing any descriptor on every runtime.
for (const fd of closed) {
  await new Command("true").passFd(Number(fd), { as: 9, closeParent: true }).run();
}

const script = 'printf "%s" "$(cat)"; echo " out"; echo err >&2';
const io = () => new Command("sh", "-c", script).stdin("in");
const parts = ({ stdout, stderr }: { stdout: string; stderr: string }) => {
  const [input = "", output = ""] = stdout.split(" ");
  return [input, output, stderr];
};

const listed = (text: string) =>
  [...text.matchAll(/ (\d+) -> (.*)$/gm)]
    .map(([, fd, target = ""]) => `${fd} ${target.replace(/^pipe:.*/, "pipe")}`)
    .filter((line) => !line.includes("/proc/"));
const ls = () => new Command("ls", "-l", "/proc/self/fd");

const child = await new Command("cat").stdin("pipe").stdout("pipe").spawn();
const writer = child.stdin.getWriter();
await writer.write("through pipes");
await writer.close();
const spawned = await new Response(child.stdout).text();
await child.wait();

const sending = new Command("cat");
const fd = sending.sendBuffer("sent");
sending.arg(`/proc/self/fd/${fd}`);

const error = await new Command("/no/such/program").run().catch((error: unknown) => error);

writeFileSync(
  report,
  JSON.stringify({
    run: parts(await io().run()),
    runSync: parts(io().runSync()),
    merged: await new Command("sh", "-c", "echo out; echo err >&2").stderr("stdout").text(),
    fds: listed(await ls().stdin("x").text()),
    fdsSync: listed(ls().stdin("x").runSync().stdout),
    spawned,
    sent: await sending.text(),
    nothing: listed(await ls().text()),
    missing: error instanceof SpawnError ? error.code : String(error),
  }),
);
