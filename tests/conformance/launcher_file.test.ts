import { assertEquals } from "@std/assert";
import { chmodSync, readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
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

const works = {
  driver: "launcher",
  echo: "hello\n",
  sync: "hello\n",
  input: "200000",
  true: "0",
  spawn: "0",
};

/** Has a child see other file systems than its parent, in a mount namespace that ends with it. */
function mounting(
  cmd: Command,
  ...mounts: readonly (readonly [string, "MS_NOEXEC" | 0])[]
): Command {
  return cmd.step(
    syscalls.unshare("CLONE_NEWNS"),
    syscalls.mount(null, "/", null, ["MS_REC", "MS_PRIVATE"]),
    ...mounts.map(([folder, how]) => syscalls.mount("none", folder, "tmpfs", how, "mode=1777")),
  );
}

conform("the file never has a name, wherever it is", async (t) => {
  const folder = t.folder();
  // A name that is made or removed in a folder changes its time.
  const before = statSync(folder, { bigint: true }).mtimeNs;
  for (const mounts of [[], [["/dev/shm", "MS_NOEXEC"]]] as const) {
    // Bun keeps what it has compiled at home.
    const cmd = other(folder).env("HOME", t.folder());
    assertEquals(JSON.parse(await mounting(cmd, ...mounts).text()), works);
    assertEquals(statSync(folder, { bigint: true }).mtimeNs, before);
  }
  assertEquals(readdirSync(folder), []);
}, { skip, root: true });

/** The descriptors of this process that lead to files without a name, and their flags. */
function unlinked(): { fd: string; flags: number }[] {
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      if (!/^\/.* \(deleted\)$/.test(readlinkSync(`/proc/self/fd/${fd}`))) return [];
      const info = readFileSync(`/proc/self/fdinfo/${fd}`, "utf8");
      return [{ fd, flags: parseInt(/^flags:\s*([0-7]+)/m.exec(info)?.[1] ?? "", 8) }];
    } catch {
      // The descriptor through which the folder was read.
      return [];
    }
  });
}

conform("the file is ours alone, cannot be written to, and is closed on exec", async () => {
  await new Command("true").run();
  const programs = unlinked().filter(({ fd }) =>
    readFileSync(`/proc/self/fd/${fd}`).subarray(0, 4).toString("latin1") === "\x7fELF"
  );
  assertEquals(programs.length, 1);
  for (const { fd, flags } of programs) {
    const { mode, uid, nlink } = statSync(`/proc/self/fd/${fd}`);
    assertEquals([mode & 0o777, uid, nlink], [0o700, process.geteuid?.(), 0]);
    assertEquals([flags & 3, flags & 0o2000000], [0, 0o2000000]);
  }
}, { skip });

conform("folders without exec are survived", async (t) => {
  const folder = t.folder();
  const cmd = mounting(other(folder), ["/dev/shm", "MS_NOEXEC"], [folder, "MS_NOEXEC"]);
  assertEquals(JSON.parse(await cmd.text()), works);
}, { skip, root: true });

conform("a umask that denies everything does not matter to an ordinary user", async (t) => {
  const folder = t.folder();
  chmodSync(folder, 0o777);
  const cmd = other(folder).umask(0o777).uid(65534).gid(65534);
  assertEquals(JSON.parse(await cmd.text()), works);
}, { skip, root: true });
