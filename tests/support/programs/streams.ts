// Hands its own standard streams on, and reports what flags they have on both sides. It does not
// import node:process, which makes Node set O_NONBLOCK.
import { readFileSync, readlinkSync, writeFileSync } from "node:fs";

const [report = "", mode = "", kind = ""] = (globalThis as unknown as {
  process: { argv: string[] };
}).process.argv.slice(2);

const flagsOf = (fd: number) =>
  parseInt(/^flags:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1] ?? "", 8);
const flags = () => [0, 1, 2].map(flagsOf);
const what = [0, 1, 2].map((fd) => readlinkSync(`/proc/self/fd/${fd}`));

const before = flags();
const { backendInfo, Command } = await import("../../../mod.ts");
const { driver } = backendInfo();
const imported = flags();

/** What a child sees, one stream after the other; it has nowhere else to write to. */
const child = () =>
  new Command(
    "sh",
    "-c",
    'cat /proc/$$/fdinfo/[012] > "$0.new"; mv "$0.new" "$0"',
    `${report}.child`,
  )
    .stdin("inherit").stdout("inherit").stderr(kind === "merged" ? "stdout" : "inherit");

if (mode !== "exec") {
  const cmd = child();
  if (mode === "run") await cmd.run();
  if (mode === "runSync") cmd.runSync();
  if (mode === "spawn") await (await cmd.spawn()).wait();
  if (mode === "daemonize") await cmd.daemonize().run();
  if (mode === "hook") await cmd.preExec(new URL("../hooks/fail.ts", import.meta.url), "no").run();
  if (mode === "handshake") {
    const waiting = await cmd.handshake().spawn();
    await waiting.handshakeWait();
    await waiting.handshakeNotify();
    await waiting.wait();
  }
}
writeFileSync(report, JSON.stringify({ driver, what, before, imported, after: flags() }));
if (mode === "exec") child().exec();
