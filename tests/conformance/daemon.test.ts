import { assert, assertEquals, assertNotEquals } from "@std/assert";
import {
  chmodSync,
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { Command, SpawnError, syscalls, TimeoutError, UsageError } from "../../mod.ts";
import {
  asleep,
  becomes,
  endDaemon,
  endLater,
  holdersOf,
  relationsOf,
  startDaemon,
} from "../support/daemons.ts";
import { failsToStart, failure, WAYS } from "../support/failures.ts";
import { conform, type Context, isRunning, pause, until } from "../support/harness.ts";
import { withLimit } from "../support/patience.ts";
import { program } from "../support/runtime.ts";
import { parseLimits, parseStatus } from "../support/world.ts";

const sleep = () => new Command("sleep", 1000);
const SLEEP = realpathSync(sleep().resolve());

const statusOf = (pid: number) => parseStatus(readFileSync(`/proc/${pid}/status`, "utf8"));

/** What a daemon leaves in a file when it is through. */
async function leftBy(t: Context, make: (path: string) => Command): Promise<string> {
  const path = join(t.folder(), "left");
  const { daemonPid } = await startDaemon(t, make(path));
  await until("the daemon has ended", () => !isRunning(daemonPid));
  return readFileSync(path, "utf8");
}

conform("run resolves when the daemon has exec'ed, with its pid", async (t) => {
  for (let round = 0; round < 10; round++) {
    const result = await startDaemon(t, sleep());
    const { daemonPid, pid, status, stdout, stderr, timedOut } = result;
    await becomes(daemonPid, SLEEP);
    assertEquals({ pid, status, stdout, stderr, timedOut }, {
      pid: daemonPid,
      status: { success: true, code: 0, signal: null, raw: 0 },
      stdout: "",
      stderr: "",
      timedOut: false,
    });
  }
});

conform("runSync starts a daemon too", async (t) => {
  const { daemonPid, code } = endLater(t.defer, sleep().daemonize().runSync());
  await becomes(daemonPid, SLEEP);
  assertEquals(code, 0);
  assertNotEquals(relationsOf(daemonPid).ppid, process.pid);
});

conform("okCodes says nothing of a daemon, whose program runs", async (t) => {
  const options = { okCodes: [3] };
  const { code } = endLater(t.defer, await sleep().daemonize().run(options));
  const sync = endLater(t.defer, sleep().daemonize().runSync(options));
  assertEquals([code, sync.code], [0, 0]);
});

conform("spawn gives a child that has ended already: the daemon is not our child", async (t) => {
  const child = await sleep().daemonize().spawn();
  const result = endLater(t.defer, await child.wait());
  assertEquals(child.pid, result.daemonPid);
  assertEquals(child.kill(), false);
  await child.abort();
  await child[Symbol.asyncDispose]();
  assert(isRunning(result.daemonPid), "the daemon was ended with the child");
});

conform("a command that is no daemon has no daemonPid", async () => {
  assertEquals((await new Command("true").run()).daemonPid, undefined);
});

conform("the same command starts another daemon each time", async (t) => {
  const cmd = sleep().daemonize();
  const first = endLater(t.defer, await cmd.run());
  const second = endLater(t.defer, cmd.runSync());
  assertNotEquals(first.daemonPid, second.daemonPid);
  assert(isRunning(first.daemonPid) && isRunning(second.daemonPid));
});

conform("the daemon is in a new session that it does not lead", async (t) => {
  const { daemonPid } = await startDaemon(t, sleep());
  const { session, group } = relationsOf(daemonPid);
  assertNotEquals(session, relationsOf(process.pid).session);
  assertNotEquals(session, daemonPid);
  assertEquals(group, session);
  assert(!existsSync(`/proc/${session}`), "the leader of the session is still there");
});

conform("the daemon is not our child, nor anybody's who could wait for it", async (t) => {
  const { daemonPid } = await startDaemon(t, sleep());
  const { ppid, session } = relationsOf(daemonPid);
  assertNotEquals(ppid, process.pid);
  assertNotEquals(ppid, session);
});

conform("the daemon has no controlling terminal", async (t) => {
  const { daemonPid } = await startDaemon(t, sleep());
  assertEquals(relationsOf(daemonPid).tty, 0);
});

conform(
  "the daemon gets no controlling terminal by opening one, as the leader of a session does",
  async (t) => {
    const master = openSync("/dev/ptmx", "r+");
    t.defer(() => closeSync(master));
    const info = readFileSync(`/proc/self/fdinfo/${master}`, "utf8");
    const terminal = `/dev/pts/${/^tty-index:\s*(\d+)$/m.exec(info)?.[1]}`;
    // TIOCSPTLCK with 0: the terminal may be opened.
    const unlock = syscalls.ioctl(9, 0x4004_5431, new Uint8Array(4));
    const opens = (path: string) =>
      new Command("sh", "-c", 'exec 8<>"$0"; cat /proc/self/stat >"$1"', terminal, path)
        .passFd(master, { as: 9 }).step(unlock);
    const ttyIn = (stat: string) => Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[4]);
    assertEquals(ttyIn(await leftBy(t, opens)), 0);
    const path = join(t.folder(), "leader");
    await opens(path).session().run();
    assertNotEquals(ttyIn(readFileSync(path, "utf8")), 0);
  },
  {
    root: true,
    skip: existsSync("/dev/ptmx") && existsSync("/dev/pts") ? undefined : "there are no terminals",
  },
);

conform("the daemon works in /, and a cwd is a misuse", async (t) => {
  const { daemonPid } = await startDaemon(t, sleep());
  assertEquals(readlinkSync(`/proc/${daemonPid}/cwd`), "/");
  for (const [way, start] of Object.entries(WAYS)) {
    const error = await failure(UsageError, () => start(sleep().cwd("/tmp").daemonize()));
    assert(error.message.includes("cwd"), way);
  }
});

conform("the daemon has the environment, umask and limits that were asked for", async (t) => {
  const cmd = sleep().env("A", "b").umask(0o027).maxFiles(33);
  const { daemonPid } = await startDaemon(t, cmd);
  await asleep(daemonPid);
  assertEquals(readFileSync(`/proc/${daemonPid}/environ`, "utf8"), "A=b\0");
  assertEquals(parseInt(statusOf(daemonPid)["Umask"] ?? "", 8), 0o027);
  const limits = parseLimits(readFileSync(`/proc/${daemonPid}/limits`, "utf8"));
  assertEquals(limits["Max open files"], { soft: "33", hard: "33" });
});

conform("the daemon ignores and blocks no signal", async (t) => {
  const { SigBlk, SigIgn, SigCgt } = statusOf((await startDaemon(t, sleep())).daemonPid);
  const none = "0".repeat(16);
  assertEquals({ SigBlk, SigIgn, SigCgt }, { SigBlk: none, SigIgn: none, SigCgt: none });
});

conform("the daemon can have another user", async (t) => {
  const { daemonPid } = await startDaemon(t, sleep().uid(54321).gid(54322));
  const { Uid, Gid } = statusOf(daemonPid);
  assertEquals([Uid, Gid].map((ids) => Number(ids?.split("\t")[0])), [54321, 54322]);
}, { root: true });

conform(
  "the daemon stays when its starter has ended, and does not keep it from that",
  async (t) => {
    const daemonPid = Number(await program("daemon").text());
    t.defer(() => endDaemon(daemonPid));
    await becomes(daemonPid, SLEEP);
  },
);

conform("neither a time limit nor an abort reaches a daemon that runs", async (t) => {
  const controller = new AbortController();
  const { signal } = controller;
  // The start is reached by it, so it must be long enough for that.
  const child = await withLimit(async (timeout) => {
    try {
      const child = await sleep().daemonize().spawn({ timeout, signal });
      t.defer(() => endDaemon(child.pid));
      // The process between us and the daemon may not have been reaped yet.
      controller.abort();
      await child.wait({ timeout: 1 });
      await pause(timeout + 50);
      return child;
    } catch (error) {
      if (!(error instanceof TimeoutError)) throw error;
      return undefined;
    }
  }, (child) => child);
  assert(child !== undefined && isRunning(child.pid));
});

conform("a time limit that is over before a daemon runs leaves none", async () => {
  for (let round = 0; round < 5; round++) {
    const marker = `1000.${round}${process.pid}`;
    try {
      const { daemonPid } = await new Command("sleep", marker).daemonize().run({ timeout: 1 });
      // It was quicker.
      assert(daemonPid !== undefined && isRunning(daemonPid));
      await endDaemon(daemonPid);
    } catch (error) {
      if (!(error instanceof TimeoutError)) throw error;
      assertEquals(error.result.daemonPid, undefined);
      const left = await new Command("pgrep", "-f", `sleep ${marker}`).run({ check: false });
      assertEquals(left.stdout, "");
    }
  }
}, { needs: ["pgrep"] });

/** A daemon that must fail to start, and what it would leave if it did not. */
async function leavesNothing(
  { folder }: Context,
  setup: (cmd: Command) => Command,
  expected: Parameters<typeof failsToStart>[1],
  binary = "sleep",
): Promise<void> {
  const path = join(realpathSync(folder()), "held");
  const fd = openSync(path, "w");
  try {
    const make = () => setup(new Command(binary, 1000).passFd(fd).daemonize());
    const error = await failsToStart(make, expected);
    assert(error instanceof SpawnError);
    assertEquals(holdersOf(path), []);
  } finally {
    closeSync(fd);
  }
}

conform("a daemon whose program is missing is a SpawnError, and leaves nothing", async (t) => {
  const [path, step, syscall] = ["/no/such/program", "exec", "execve"];
  const expected = { path, step, syscall, code: "ENOENT", errno: 2, exitCode: 127 };
  await leavesNothing(t, (cmd) => cmd, expected, path);
});

conform(
  "a daemon whose exec fails is a SpawnError in the caller, and leaves nothing",
  async (t) => {
    const dir = t.folder();
    const programs: Record<string, [text: string, blamed: string | undefined, errno: number]> = {
      ENOEXEC: ["neither", undefined, 8],
      ENOENT: ["#!/no/such/interpreter\n", "/no/such/interpreter", 2],
    };
    for (const [code, [text, blamed, errno]] of Object.entries(programs)) {
      const path = join(dir, code);
      writeFileSync(path, text);
      chmodSync(path, 0o755);
      const exitCode = code === "ENOENT" ? 127 : 126;
      const expected = {
        step: "exec",
        syscall: "execve",
        code,
        errno,
        path: blamed ?? path,
        exitCode,
      };
      await leavesNothing(t, (cmd) => cmd, expected, path);
    }
  },
);

conform("a daemon whose other steps fail is a SpawnError that names the step", async (t) => {
  const path = undefined;
  const refused = { code: "EPERM", errno: 1, path, exitCode: 125 };
  await leavesNothing(t, (cmd) => cmd.limit("nofile", 2 ** 40), {
    ...refused,
    step: "limits",
    syscall: "prlimit64",
  });
  const missing = { code: "ENOENT", errno: 2, path: "/no/such/folder", exitCode: 125 };
  await leavesNothing(t, (cmd) => cmd.step(syscalls.chdir("/no/such/folder")), {
    ...missing,
    step: "step",
    syscall: "chdir",
  });
});

conform("a session or a process group besides is a misuse", () => {
  for (const setup of [(cmd: Command) => cmd.session(), (cmd: Command) => cmd.processGroup()]) {
    assert(setup(sleep()).daemonize().error instanceof UsageError);
    assert(setup(sleep().daemonize()).error instanceof UsageError);
  }
});

conform("explain shows the second clone and the way to /", () => {
  const lines = sleep().daemonize().explain().split("\n");
  const at = (part: string) => lines.findIndex((line) => line.includes(part));
  assert(at("setsid()") >= 0 && at("setsid()") < at("clone("), lines.join("\n"));
  assert(at("clone(") < at('chdir("/")') && at('chdir("/")') < at("execve("), lines.join("\n"));
});
