import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join, relative } from "node:path";
import process from "node:process";
import { Command, SpawnError, syscalls, UsageError } from "../../mod.ts";
import { endDaemon, endLater, fdsAsleep, holdersOf, startDaemon } from "../support/daemons.ts";
import { failsToStart, failure, WAYS } from "../support/failures.ts";
import { conform, isRunning, until } from "../support/harness.ts";
import { parseStatus } from "../support/world.ts";

const sleep = () => new Command("sleep", 1000);

/** Who holds a POSIX record lock on a file, see proc_locks(5). Its name must lead to the file. */
function lockersOf(path: string): number[] {
  const { ino } = statSync(path);
  // While others take and release theirs, a line may be read twice.
  const holders = new Set<number>();
  for (const line of readFileSync("/proc/locks", "utf8").split("\n")) {
    const [, kind, , access, pid, file] = line.split(/\s+/);
    if (kind !== "POSIX" || access !== "WRITE") continue;
    if (Number(file?.split(":")[2]) === ino) holders.add(Number(pid));
  }
  return [...holders];
}

/** Checks that a file is the pid file of a daemon. */
function expectPidFile(path: string, pid: number): void {
  assertEquals(readFileSync(path, "utf8"), String(pid));
  assertEquals(lockersOf(path), [pid]);
}

for (const way of ["run", "runSync"] as const) {
  conform(`${way}: the file has the daemon's pid and its lock, at once`, async (t) => {
    const path = join(t.folder(), "pid");
    const result = endLater(t.defer, await sleep().daemonize().pidFile(path)[way]());
    expectPidFile(path, result.daemonPid);
  });
}

conform("spawn: the file has the daemon's pid and its lock, at once", async (t) => {
  const path = join(t.folder(), "pid");
  const child = await sleep().daemonize().pidFile(path).spawn();
  t.defer(() => endDaemon(child.pid));
  expectPidFile(path, child.pid);
});

for (const mask of [0, 0o022, 0o077, 0o777]) {
  conform(
    `the file has mode 0644, whatever the daemon's umask: 0${mask.toString(8)}`,
    async (t) => {
      const path = join(t.folder(), "pid");
      const { daemonPid } = await startDaemon(t, sleep().umask(mask).pidFile(path));
      assertEquals(statSync(path).mode & 0o7777, 0o644);
      const { Umask } = parseStatus(readFileSync(`/proc/${daemonPid}/status`, "utf8"));
      assertEquals(parseInt(Umask ?? "", 8), mask);
    },
  );
}

conform("the file has mode 0644, whatever the parent's umask, which the daemon gets", async (t) => {
  const path = join(t.folder(), "pid");
  const before = process.umask(0o077);
  t.defer(() => process.umask(before));
  const { daemonPid } = await startDaemon(t, sleep().pidFile(path));
  assertEquals(statSync(path).mode & 0o7777, 0o644);
  const { Umask } = parseStatus(readFileSync(`/proc/${daemonPid}/status`, "utf8"));
  assertEquals(parseInt(Umask ?? "", 8), 0o077);
  assertEquals(process.umask(), 0o077);
});

conform("a relative path counts from the parent's folder, not from /", async (t) => {
  const path = join(realpathSync(t.folder()), "pid");
  const { daemonPid } = await startDaemon(t, sleep().pidFile(relative(process.cwd(), path)));
  expectPidFile(path, daemonPid);
});

conform("a path may be unusual, and its folder be reached by a symbolic link", async (t) => {
  const dir = t.folder();
  const [folder, link] = [join(dir, "folder"), join(dir, "link")];
  mkdirSync(folder);
  symlinkSync(folder, link);
  const name = 'ünusual → "name"\n';
  const { daemonPid } = await startDaemon(t, sleep().pidFile(join(link, name)));
  expectPidFile(join(folder, name), daemonPid);
});

conform("the daemon has the locked file open, and keeps it over exec", async (t) => {
  const path = join(realpathSync(t.folder()), "pid");
  const cmd = new Command("sh", "-c", "exec sleep 1000").pidFile(path);
  const { daemonPid } = await startDaemon(t, cmd);
  await until("it sleeps", () => readFileSync(`/proc/${daemonPid}/comm`, "utf8") === "sleep\n");
  const fds = await fdsAsleep(daemonPid);
  const fd = Object.keys(fds).find((each) => fds[each] === path);
  assertEquals(Object.keys(fds).length, 4);
  const info = readFileSync(`/proc/${daemonPid}/fdinfo/${fd}`, "utf8");
  assertEquals(parseInt(/^flags:\s*(\d+)$/m.exec(info)?.[1] ?? "", 8) & 0o2000000, 0);
  expectPidFile(path, daemonPid);
});

conform("the file stays out of the way of passed descriptors and buffers", async (t) => {
  const dir = realpathSync(t.folder());
  const [path, out] = [join(dir, "pid"), join(dir, "out")];
  const script = "cat <&3 && cat <&4 && exec sleep 1000";
  const cmd = new Command("sh", "-c", script).stdout({ file: out }).pidFile(path);
  cmd.sendBuffer("one,");
  cmd.sendBuffer("two");
  const { daemonPid } = await startDaemon(t, cmd.passFd(2, { as: 7 }).passFd(2, { as: 5 }));
  expectPidFile(path, daemonPid);
  await until("it has read", () => readFileSync(out, "utf8") === "one,two");
});

for (const [way, start] of Object.entries(WAYS)) {
  conform(`${way}: a file that a living daemon holds is refused, and left as it is`, async (t) => {
    const dir = t.folder();
    const [path, started] = [join(dir, "pid"), join(dir, "started")];
    const { daemonPid } = await startDaemon(t, sleep().pidFile(path));
    const { mtimeMs, ctimeMs, ino } = statSync(path);
    const second = new Command("sh", "-c", ': >"$0"', started).daemonize().pidFile(path);
    const error = await failure(SpawnError, () => start(second));
    const { step, syscall, code } = error;
    assertEquals([step, syscall, code, error.path], ["pidFile", "fcntl", "EAGAIN", path]);
    assertMatch(error.message, new RegExp(`process ${daemonPid}\\b`));
    const now = statSync(path);
    assertEquals([now.mtimeMs, now.ctimeMs, now.ino], [mtimeMs, ctimeMs, ino]);
    expectPidFile(path, daemonPid);
    assert(isRunning(daemonPid));
    assert(!existsSync(started), "the second one ran");
    assertEquals(holdersOf(realpathSync(path)), [daemonPid]);
  });
}

conform("of many who want the same file at once, one gets it", async (t) => {
  const path = join(t.folder(), "pid");
  const cmd = sleep().daemonize().pidFile(path);
  const settled = await Promise.allSettled(Array.from({ length: 6 }, () => cmd.run()));
  const pids: number[] = [];
  for (const each of settled) {
    if (each.status === "fulfilled") pids.push(endLater(t.defer, each.value).daemonPid);
    else assertEquals((each.reason as SpawnError).step, "pidFile");
  }
  assertEquals(pids.length, 1);
  expectPidFile(path, pids[0] ?? 0);
});

conform("two daemons with a file each do not see each other", async (t) => {
  const dir = t.folder();
  for (const path of [join(dir, "a"), join(dir, "b")]) {
    expectPidFile(path, (await startDaemon(t, sleep().pidFile(path))).daemonPid);
  }
});

conform("another name of a held file does not start a second daemon", async (t) => {
  const dir = t.folder();
  const [path, other] = [join(dir, "pid"), join(dir, "other")];
  const { daemonPid } = await startDaemon(t, sleep().pidFile(path));
  linkSync(path, other);
  const error = await failure(SpawnError, () => sleep().daemonize().pidFile(other).run());
  assertEquals([error.step, error.path], ["pidFile", other]);
  expectPidFile(path, daemonPid);
});

conform("a file that was left behind is taken over: all of it, and the same file", async (t) => {
  const path = join(t.folder(), "pid");
  writeFileSync(path, "99999999999 and more than a pid\n");
  chmodSync(path, 0o600);
  const { ino } = statSync(path);
  const { daemonPid } = await startDaemon(t, sleep().pidFile(path));
  expectPidFile(path, daemonPid);
  assertEquals([statSync(path).ino, statSync(path).mode & 0o777], [ino, 0o600]);
});

conform("the file of a daemon that died is taken over", async (t) => {
  const path = join(t.folder(), "pid");
  const cmd = sleep().daemonize().pidFile(path);
  const first = endLater(t.defer, await cmd.run());
  await endDaemon(first.daemonPid);
  assertEquals(readFileSync(path, "utf8"), String(first.daemonPid));
  const second = endLater(t.defer, await cmd.run());
  assertNotEquals(second.daemonPid, first.daemonPid);
  expectPidFile(path, second.daemonPid);
});

conform("a file that was removed or replaced under its holder is another file", async (t) => {
  const path = join(t.folder(), "pid");
  const cmd = sleep().daemonize().pidFile(path);
  const first = endLater(t.defer, await cmd.run());
  rmSync(path);
  const second = endLater(t.defer, await cmd.run());
  expectPidFile(path, second.daemonPid);
  assert(isRunning(first.daemonPid));
});

conform("while the file is being replaced, a daemon starts whole or not at all", async (t) => {
  const path = join(realpathSync(t.folder()), "pid");
  const loop = 'while :; do : >"$0.new"; mv "$0.new" "$0"; done';
  const replacer = await new Command("sh", "-c", loop, path).spawn();
  t.defer(() => replacer[Symbol.asyncDispose]());
  for (let round = 0; round < 30; round++) {
    try {
      const { daemonPid } = endLater(t.defer, await sleep().daemonize().pidFile(path).run());
      const fds = await fdsAsleep(daemonPid);
      const fd = Object.keys(fds).find((each) => fds[each]?.startsWith(path));
      assertEquals(readFileSync(`/proc/${daemonPid}/fd/${fd}`, "utf8"), String(daemonPid));
    } catch (error) {
      // It has a limit to how often it tries.
      assert(error instanceof SpawnError && error.step === "pidFile", String(error));
      assertEquals(error.path, path);
    }
  }
});

conform("a folder that is missing, or a file that is a folder, is a SpawnError", async (t) => {
  const dir = t.folder();
  const fails = { step: "pidFile", syscall: "openat", exitCode: 125 };
  const missing = join(dir, "none", "pid");
  await failsToStart(() => sleep().daemonize().pidFile(missing), {
    ...fails,
    code: "ENOENT",
    errno: 2,
    path: missing,
  });
  await failsToStart(() => sleep().daemonize().pidFile(dir), {
    ...fails,
    code: "EISDIR",
    errno: 21,
    path: dir,
  });
});

conform("a folder that may not be written to is a SpawnError", async (t) => {
  const dir = join(t.folder(), "locked");
  mkdirSync(dir, { mode: 0o555 });
  const path = join(dir, "pid");
  await failsToStart(() => sleep().daemonize().pidFile(path), {
    step: "pidFile",
    syscall: "openat",
    code: "EACCES",
    errno: 13,
    path,
    exitCode: 125,
  });
  assertEquals(readdirSync(dir), []);
}, {
  skip: process.getuid?.() === 0 ? "needs an ordinary user: root may write anywhere" : undefined,
});

conform("a daemon that fails later leaves no file behind", async (t) => {
  const dir = t.folder();
  const [path, bad] = [join(dir, "pid"), join(dir, "program")];
  writeFileSync(bad, "neither");
  chmodSync(bad, 0o755);
  const failing = [
    () => new Command(bad),
    () => sleep().limit("nofile", 2 ** 40),
    () => sleep().step(syscalls.chdir("/no/such/folder")),
  ];
  for (const make of failing) {
    for (const [way, start] of Object.entries(WAYS)) {
      await failure(SpawnError, () => start(make().daemonize().pidFile(path)));
      assert(!existsSync(path), way);
    }
  }
});

conform("a daemon that drops its rights writes where only its starter may", async (t) => {
  const dir = t.folder();
  chmodSync(dir, 0o755);
  const path = join(dir, "pid");
  const { daemonPid } = await startDaemon(t, sleep().uid(54321).gid(54322).pidFile(path));
  expectPidFile(path, daemonPid);
  assertEquals([statSync(path).uid, statSync(path).gid], [0, 0]);
}, { root: true });

conform("only a daemon has a pid file", async ({ folder }) => {
  const path = join(folder(), "pid");
  for (const start of Object.values(WAYS)) {
    const error = await failure(UsageError, () => start(new Command("true").pidFile(path)));
    assertMatch(error.message, /daemonize/);
  }
  assert(!existsSync(path));
});

for (const path of ["", "a\0b", 7 as unknown as string]) {
  conform(`${JSON.stringify(path)} is no pid file`, () => {
    assert(sleep().daemonize().pidFile(path).error instanceof UsageError);
  });
}
