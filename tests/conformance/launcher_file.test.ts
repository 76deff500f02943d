import { assert, assertEquals } from "@std/assert";
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import process from "node:process";
import { backendInfo, Command, syscalls } from "../../mod.ts";
import { conform } from "../support/harness.ts";
import { program } from "../support/runtime.ts";

const skip = backendInfo().driver === "launcher" ? undefined : "only the launcher writes a file";

/** A runtime of its own that starts programs and tells how that went; TMPDIR is `folder`. */
function other(folder: string): Command {
  return program("permitted").envPass("PATH").env("TMPDIR", folder).env("HOME", folder)
    .env("VIRCOMMAND_DRIVER", "launcher").env("NODE_NO_WARNINGS", 1);
}

const works = { driver: "launcher", echo: "hello\n", sync: "hello\n", true: "0", spawn: "0" };

conform("the file has no name any more when the first program runs", async (t) => {
  const folder = t.folder();
  assertEquals(JSON.parse(await other(folder).text()), works);
  assertEquals(readdirSync(folder).filter((name) => name.startsWith("vircommand")), []);
}, { skip });

conform("the file is ours alone, and cannot be written to", async () => {
  await new Command("true").run();
  const own = readdirSync("/proc/self/fd").map((fd) => {
    try {
      return { fd, target: readlinkSync(`/proc/self/fd/${fd}`) };
    } catch {
      // The descriptor through which the folder was read.
      return { fd, target: "" };
    }
  });
  const file = own.find(({ target }) => /\/vircommand-\w+\/launcher \(deleted\)$/.test(target));
  assert(file !== undefined);
  const { mode, uid } = statSync(`/proc/self/fd/${file.fd}`);
  assertEquals([mode & 0o777, uid], [0o500, process.geteuid?.()]);
  const info = readFileSync(`/proc/self/fdinfo/${file.fd}`, "utf8");
  const flags = parseInt(/^flags:\s*([0-7]+)/m.exec(info)?.[1] ?? "", 8);
  assertEquals(flags & 3, 0, "it is open for writing");
}, { skip });

conform("a temporary folder without exec is survived", async (t) => {
  const folder = t.folder();
  const cmd = other(folder).step(
    syscalls.unshare("CLONE_NEWNS"),
    syscalls.mount(null, "/", null, ["MS_REC", "MS_PRIVATE"]),
    syscalls.mount("none", folder, "tmpfs", "MS_NOEXEC"),
  );
  assertEquals(JSON.parse(await cmd.text()), works);
}, { skip, root: true });
