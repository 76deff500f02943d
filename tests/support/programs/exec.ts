// Becomes another program, as its argument says, and tells if it could not.
import { closeSync, openSync, readlinkSync } from "node:fs";
import process from "node:process";
import { Command, SpawnError } from "../../../mod.ts";

const [what = "", ...rest] = process.argv.slice(2);
process.stdout.write(`${process.pid}\n`);
try {
  if (what === "become") {
    const script = 'echo $$; echo "$0 $A"; umask; pwd; cat';
    new Command("sh", "-c", script).arg0("renamed").env("A", "b").umask(0o27).cwd("/").exec();
  }
  if (what === "fds") {
    const fd = openSync(rest[0] ?? "", "r");
    new Command("sh", "-c", "cat <&9; ls /proc/self/fd").passFd(fd, { as: 9 }).exec();
  }
  if (what === "missing") new Command(rest[0] ?? "/no/such/program").exec();
  if (what === "chdir") new Command("true").cwd("/no/such/folder").exec();
  if (what === "capture") new Command("true").stdout("capture").exec();
  if (what === "selinuxLabel" || what === "apparmorProfile") {
    const cmd = new Command("true").umask(0o77).cwd("/").limit("core", 0, 0).env("A", "b");
    if (what === "selinuxLabel") cmd.selinuxLabel("a_label").exec();
    else cmd.apparmorProfile("a_label").exec();
  }
  if (what === "daemon") new Command("true").daemonize().exec();
} catch (error) {
  const text = error instanceof SpawnError
    ? `${error.name} ${error.step} ${error.code}`
    : error instanceof Error
    ? error.name
    : String(error);
  const fd = openSync("/dev/null", "r");
  // It lives on, and can go on working.
  const alive = readlinkSync(`/proc/self/fd/${fd}`) === "/dev/null";
  closeSync(fd);
  const after = await new Command("echo", "after").text();
  process.stdout.write(`${text} ${alive} ${after}`);
  if (what.endsWith("Label") || what.endsWith("Profile")) {
    // As its children have them; nothing of the command has become its own.
    const { stdout } = await new Command("sh", "-c", "umask; ulimit -H -c").run();
    process.stdout.write(stdout.replace("\n", " "));
  }
}
