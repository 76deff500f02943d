import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join, relative } from "node:path";
import process from "node:process";
import { Command, SpawnError, syscalls } from "../../mod.ts";
import { endDaemon, endLater, startDaemon } from "../support/daemons.ts";
import { failure, WAYS } from "../support/failures.ts";
import { conform } from "../support/harness.ts";
import { denoDirFor, limitedProgramArgv, program } from "../support/runtime.ts";

const hook = (name: string) => new URL(`../support/hooks/${name}.ts`, import.meta.url);
const NOBODY = 65534;

/** Starts a daemon with a pid file that must be refused, in every way, and says why it was. */
async function refusal(path: string): Promise<SpawnError> {
  let last: SpawnError | undefined;
  for (const [way, start] of Object.entries(WAYS)) {
    const cmd = new Command("sleep", 1000).daemonize().pidFile(path);
    last = await failure(SpawnError, () => start(cmd));
    assertEquals([last.step, last.path, last.exitCode], ["pidFile", path, 125], way);
  }
  if (last === undefined) throw new Error("no way of running");
  return last;
}

/** A file that must stay as it is. */
function victim(folder: string): { path: string; check(): void } {
  const path = join(folder, "victim");
  writeFileSync(path, "important\n", { mode: 0o600 });
  const before = statSync(path);
  return {
    path,
    check() {
      const { mtimeMs, size, mode } = statSync(path);
      assertEquals([mtimeMs, size, mode], [before.mtimeMs, before.size, before.mode]);
      assertEquals(readFileSync(path, "utf8"), "important\n");
    },
  };
}

conform("a symbolic link in the place of the file is refused", async (t) => {
  const dir = t.folder();
  const { path: target, check } = victim(dir);
  const absent = join(dir, "absent");
  const links = { full: target, relative: "victim", absent, itself: "itself", folder: dir };
  for (const [name, leadsTo] of Object.entries(links)) {
    const link = join(dir, name);
    symlinkSync(leadsTo, link);
    const { code, message } = await refusal(link);
    assertEquals(code, "ELOOP", name);
    assertMatch(message, /is a symbolic link/);
    assert(lstatSync(link).isSymbolicLink());
  }
  check();
  assert(!existsSync(absent), "it was made through the link");
});

conform("a file with another name is refused, by how many it has", async (t) => {
  const dir = t.folder();
  const { path: target, check } = victim(dir);
  const names = ["first", "second"].map((name) => join(dir, name));
  for (const [index, path] of names.entries()) {
    linkSync(target, path);
    const { code, message } = await refusal(path);
    assertEquals(code, "EMLINK");
    assertMatch(message, new RegExp(`has ${index + 2} links`));
  }
  check();
});

conform("a file of somebody else is refused, by whose it is", async (t) => {
  const dir = t.folder();
  chmodSync(dir, 0o1777);
  for (const uid of [NOBODY, 54321]) {
    const path = join(dir, String(uid));
    writeFileSync(path, "theirs\n", { mode: 0o666 });
    chownSync(path, uid, uid);
    const { code, message } = await refusal(path);
    assertEquals(code, "EPERM");
    assertMatch(message, new RegExp(`belongs to uid ${uid}\\b`));
    assertEquals(readFileSync(path, "utf8"), "theirs\n");
  }
}, { root: true });

conform("an ordinary user may use a file of root's that it may write to", async (t) => {
  const dir = t.folder();
  chmodSync(dir, 0o755);
  const path = join(dir, "pid");
  writeFileSync(path, "old");
  chmodSync(path, 0o666);
  const cmd = program("pid_file", path).env(denoDirFor(t))
    .envPass("PATH").envPass("VIRCOMMAND_DRIVER").uid(NOBODY).gid(NOBODY);
  const pid = Number(await cmd.text());
  t.defer(() => endDaemon(pid));
  assertEquals(readFileSync(path, "utf8"), String(pid));
  assertEquals(statSync(path).uid, 0);
}, { root: true, features: ["pidFile"] });

conform("a FIFO, a socket or a device is refused at once", async (t) => {
  const dir = t.folder();
  const fifo = join(dir, "fifo");
  await new Command("mkfifo", fifo).run();
  const server = createServer();
  // A relative path: there is not much room in a socket's address.
  const socket = join(dir, "socket");
  await new Promise<void>((resolve) => server.listen(relative(process.cwd(), socket), resolve));
  t.defer(() => new Promise((resolve) => server.close(resolve)));
  for (const path of [fifo, socket, "/dev/null", "/dev/zero"]) {
    assertMatch((await refusal(path)).message, /is not a regular file/);
    assert(!lstatSync(path).isFile());
  }
}, { root: true, needs: ["mkfifo"] });

conform("a special mode does not make a file any less regular", async (t) => {
  const dir = t.folder();
  for (const mode of [0o7644, 0o200, 0o4755, 0o1666]) {
    const path = join(dir, mode.toString(8));
    writeFileSync(path, "old");
    chmodSync(path, mode);
    const { daemonPid } = await startDaemon(t, new Command("sleep", 1000).pidFile(path));
    assertEquals(readFileSync(path, "utf8"), String(daemonPid));
  }
}, { root: true });

conform("a full file system leaves no empty file", async (t) => {
  const dir = t.folder();
  // In a mount namespace of its own, which ends with it.
  const cmd = program("no_room", dir, "full").step(
    syscalls.unshare("CLONE_NEWNS"),
    syscalls.mount(null, "/", null, ["MS_REC", "MS_PRIVATE"]),
    syscalls.mount("none", dir, "tmpfs", 0, "size=4k"),
  );
  for (const [way, seen] of Object.entries(JSON.parse(await cmd.text()))) {
    assertEquals(seen, { step: "pidFile", code: "ENOSPC", left: ["filler"] }, way);
  }
}, { root: true });

for (const bytes of [0, 1, 2]) {
  conform(
    `a file that may have ${bytes} bytes ends nothing, and is not left in part`,
    async (t) => {
      const dir = t.folder();
      const cmd = Command.from(limitedProgramArgv("no_room", dir, String(bytes)));
      const seen = JSON.parse(await cmd.text());
      assert(Object.keys(seen).length >= 2);
      for (const [way, each] of Object.entries(seen)) {
        assertEquals(each, { step: "pidFile", code: "EFBIG", left: [] }, way);
      }
    },
    { needs: ["prlimit"], features: ["pidFile"] },
  );
}

for (const how of ["overwrite", "replace", "fifo", "copy"] as const) {
  conform(
    `a daemon that fails leaves alone what is not its pid file any more: ${how}`,
    async (t) => {
      for (const [way, start] of Object.entries(WAYS)) {
        const path = join(t.folder(), "pid");
        const cmd = new Command("true").daemonize().pidFile(path)
          .preExec(hook("replace"), { path, how });
        assertEquals((await failure(SpawnError, () => start(cmd))).step, "preExec", way);
        if (how === "fifo") assert(lstatSync(path).isFIFO(), way);
        else if (how === "copy") assert(!existsSync(path), "the dead pid stands in it");
        else assertEquals(readFileSync(path, "utf8"), "12345", way);
      }
    },
    { needs: ["mkfifo"], features: ["preExec with pidFile"] },
  );
}

conform("a folder of somebody else's may hold the file", async (t) => {
  const dir = join(t.folder(), "theirs");
  mkdirSync(dir);
  chownSync(dir, NOBODY, NOBODY);
  const path = join(dir, "pid");
  const cmd = new Command("sleep", 1000).daemonize().pidFile(path);
  const { daemonPid } = endLater(t.defer, await cmd.run());
  assertEquals(readFileSync(path, "utf8"), String(daemonPid));
  assertEquals(readdirSync(dir), ["pid"]);
}, { root: true });

conform("a daemon may be passed any descriptors besides its pid file and its hook", async (t) => {
  const path = join(t.folder(), "pid");
  // Whatever numbers are used besides in the start, these take them.
  for (const last of [3, 5, 8, 13, 21, 34, 55]) {
    for (const hooked of [false, true]) {
      const cmd = new Command("sleep", 1000).daemonize().pidFile(path);
      for (let fd = 3; fd <= last; fd++) cmd.passFd(2, { as: fd });
      if (hooked) cmd.preExec(hook("fail"), "fine");
      const { daemonPid } = endLater(t.defer, await cmd.run());
      assertEquals(readFileSync(path, "utf8"), String(daemonPid), `${last} ${hooked}`);
      await endDaemon(daemonPid);
    }
  }
}, { features: ["preExec with pidFile"] });
