import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { realpathSync, statSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { Command, type LimitName, limits, UsageError } from "../../mod.ts";
import { failsToStart } from "../support/failures.ts";
import { conform } from "../support/harness.ts";
import { programArgv } from "../support/runtime.ts";
import { groupsSeen, limitsSeen, statusSeen } from "../support/world.ts";

function lastLine(text: string): string | undefined {
  return text.trimEnd().split("\n").at(-1);
}

conform("the child starts in the parent's folder", async () => {
  assertEquals(await new Command("pwd", "-P").text(), `${realpathSync(process.cwd())}\n`);
});

conform("cwd is the child's folder", async ({ folder }) => {
  const dir = realpathSync(folder());
  assertEquals(await new Command("pwd", "-P").cwd(dir).text(), `${dir}\n`);
  assertEquals(new Command("pwd", "-P").cwd(dir).runSync().stdout, `${dir}\n`);
  assertEquals(await new Command("pwd", "-P").cwd("/").text(), "/\n");
});

conform("a relative cwd counts from the parent's folder", async () => {
  assertEquals(await new Command("pwd", "-P").cwd("..").text(), `${realpathSync("..")}\n`);
});

conform("a cwd that is missing is a SpawnError of step chdir, whatever the program", async () => {
  const expected = {
    step: "chdir",
    syscall: "chdir",
    code: "ENOENT",
    errno: 2,
    path: "/no/such/folder",
    exitCode: 125,
  };
  await failsToStart(() => new Command("true").cwd("/no/such/folder"), expected);
  await failsToStart(() => new Command("/no/such/program").cwd("/no/such/folder"), expected);
});

conform("a cwd that is a file is a SpawnError of step chdir", async () => {
  await failsToStart(() => new Command("true").cwd("/etc/passwd"), {
    step: "chdir",
    syscall: "chdir",
    code: "ENOTDIR",
    errno: 20,
    path: "/etc/passwd",
    exitCode: 125,
  });
});

conform("cwd does not change the parent's folder", async () => {
  const before = process.cwd();
  await new Command("true").cwd("/").run();
  assertEquals(process.cwd(), before);
});

for (const mask of [0, 0o022, 0o027, 0o077, 0o777]) {
  conform(`umask 0o${mask.toString(8)} is the child's, and a file gets it`, async ({ folder }) => {
    const { Umask } = await statusSeen((cmd) => cmd.umask(mask));
    assertEquals(parseInt(Umask ?? "", 8), mask);
    const path = join(folder(), "file");
    await new Command("sh", "-c", 'exec 3>"$0"', path).umask(mask).run();
    assertEquals(statSync(path).mode & 0o777, 0o666 & ~mask);
  });
}

conform("without umask the child has the parent's, and the parent's never changes", async () => {
  const own = process.umask();
  await new Command("true").umask(own === 0o077 ? 0o027 : 0o077).run();
  const { Umask } = await statusSeen();
  assertEquals(parseInt(Umask ?? "", 8), own);
  assertEquals(process.umask(), own);
});

conform(
  "the umask of the child does not apply to the files that the parent opens for it",
  async (t) => {
    const path = join(t.folder(), "out");
    await new Command("echo").stdout({ file: path, mode: 0o644 }).umask(0o777).run();
    assertEquals(statSync(path).mode & 0o777, 0o644 & ~process.umask());
  },
);

for (const mask of [-1, 0o1000, 1.5, NaN, "022" as unknown as number]) {
  conform(`a umask of ${mask} is a misuse`, () => {
    assertInstanceOf(new Command("true").umask(mask).error, UsageError);
  });
}

/** The names of the kernel in /proc/<pid>/limits, and a value that any process may set. */
const LIMITS: Record<LimitName, [shown: string, soft: number, hard: number]> = {
  cpu: ["Max cpu time", 1000, 2000],
  fsize: ["Max file size", 1_000_000, 2_000_000],
  data: ["Max data size", 1_000_000_000, 2_000_000_000],
  stack: ["Max stack size", 1_000_000, 2_000_000],
  core: ["Max core file size", 0, 0],
  rss: ["Max resident set", 1_000_000, 2_000_000],
  nproc: ["Max processes", 2000, 3000],
  nofile: ["Max open files", 64, 128],
  memlock: ["Max locked memory", 4096, 8192],
  as: ["Max address space", 1_000_000_000, 2_000_000_000],
  locks: ["Max file locks", 10, 20],
  sigpending: ["Max pending signals", 100, 200],
  msgqueue: ["Max msgqueue size", 1000, 2000],
  nice: ["Max nice priority", 0, 0],
  rtprio: ["Max realtime priority", 0, 0],
  rttime: ["Max realtime timeout", 1_000_000, 2_000_000],
};

conform("all sixteen limits of Linux have a name", () => {
  assertEquals(Object.keys(limits).toSorted(), Object.keys(LIMITS).toSorted());
});

for (const [name, [display, soft, hard]] of Object.entries(LIMITS)) {
  conform(`limit("${name}") sets the soft and the hard limit`, async () => {
    const seen = await limitsSeen((cmd) => cmd.limit(name as LimitName, soft, hard));
    assertEquals(seen[display], { soft: String(soft), hard: String(hard) });
  });
}

conform("all limits can be set at once", async () => {
  const seen = await limitsSeen((cmd) => {
    for (const [name, [, soft, hard]] of Object.entries(LIMITS)) {
      cmd.limit(name as LimitName, soft, hard);
    }
    return cmd;
  });
  for (const [display, soft, hard] of Object.values(LIMITS)) {
    assertEquals(seen[display], { soft: String(soft), hard: String(hard) }, display);
  }
});

conform("without a hard limit, it becomes the same as the soft one", async () => {
  const seen = await limitsSeen((cmd) => cmd.limit("nofile", 100));
  assertEquals(seen["Max open files"], { soft: "100", hard: "100" });
});

conform("limits take bigints, and unlimited where that is allowed", async () => {
  const seen = await limitsSeen((cmd) => cmd.limit("fsize", 5n, "unlimited").limit("cpu", 7n));
  assertEquals(seen["Max file size"], { soft: "5", hard: "unlimited" });
  assertEquals(seen["Max cpu time"], { soft: "7", hard: "7" });
});

conform("a limit beyond 2^53 is exact", async () => {
  const seen = await limitsSeen((cmd) => cmd.limit("fsize", 2n ** 53n + 1n));
  assertEquals(seen["Max file size"]?.soft, "9007199254740993");
});

conform("a limit of 0 can be said", async () => {
  const seen = await limitsSeen((cmd) => cmd.limit("fsize", 0).maxCoreSize(0).maxMemLock(0));
  const none = { soft: "0", hard: "0" };
  assertEquals(seen["Max file size"], none);
  assertEquals(seen["Max core file size"], none);
  assertEquals(seen["Max locked memory"], none);
});

conform("maxFiles(n) is exactly n", async () => {
  const seen = await limitsSeen((cmd) => cmd.maxFiles(37));
  assertEquals(seen["Max open files"], { soft: "37", hard: "37" });
});

conform(
  "maxFiles does not touch the descriptors that are passed, whatever their numbers",
  async () => {
    const cmd = new Command("sh", "-c", "cat; readlink /proc/self/fd/77; ulimit -n").stdin("in ");
    assertEquals(await cmd.passFd(0, { as: 77 }).maxFiles(10).text().then(lastLine), "10");
  },
);

conform("maxProcesses, maxMemLock and maxCoreSize set their limits", async () => {
  const seen = await limitsSeen((cmd) => cmd.maxProcesses(999).maxMemLock(4096).maxCoreSize(0));
  assertEquals(seen["Max processes"], { soft: "999", hard: "999" });
  assertEquals(seen["Max locked memory"], { soft: "4096", hard: "4096" });
  assertEquals(seen["Max core file size"], { soft: "0", hard: "0" });
});

conform("a limit that is set again: the last call counts", async () => {
  const seen = await limitsSeen((cmd) => cmd.limit("nofile", 50).maxFiles(60).limit("nofile", 70));
  assertEquals(seen["Max open files"], { soft: "70", hard: "70" });
});

conform("runSync sets limits too", () => {
  assertEquals(new Command("sh", "-c", "ulimit -n").maxFiles(41).runSync().stdout, "41\n");
});

conform("limits of the child are not the parent's", async () => {
  const own = () => new Command("sh", "-c", "ulimit -c; ulimit -n; ulimit -f").text();
  const before = await own();
  await new Command("true").limit("fsize", 1).maxFiles(20).maxCoreSize(0).run();
  assertEquals(await own(), before);
});

conform("the soft limit on open files is the one that the runtime was started with", async () => {
  const argv = programArgv("report", "sh", "-c", "ulimit -Sn");
  // Not exec: the runtime's parent must have the limit that the runtime was started with.
  const script = 'ulimit -Sn 256; "$@"; exit $?';
  assertEquals(await new Command("sh", "-c", script, "sh", ...argv).text(), "256\n");
});

conform("a limit on open files that is asked for counts more than that", async () => {
  const argv = programArgv("limited");
  const script = 'ulimit -Sn 256; "$@"; exit $?';
  assertEquals(await new Command("sh", "-c", script, "sh", ...argv).text(), "300\n");
});

conform("a hard limit above the parent's is refused by the kernel: a SpawnError", async () => {
  await failsToStart(() => new Command("true").limit("nofile", 2 ** 40), {
    step: "limits",
    syscall: "prlimit64",
    code: "EPERM",
    errno: 1,
    path: undefined,
    exitCode: 125,
  });
});

const MISUSES: Record<string, (cmd: Command) => Command> = {
  "a limit that Linux does not have": (cmd) => cmd.limit("swap" as LimitName, 1),
  "a name from the prototype": (cmd) => cmd.limit("toString" as LimitName, 1),
  "a negative limit": (cmd) => cmd.limit("core", -1),
  "a limit that is not whole": (cmd) => cmd.limit("core", 0.5),
  "an endless number": (cmd) => cmd.limit("core", Infinity),
  "a limit beyond 64 bits": (cmd) => cmd.limit("core", 2n ** 64n),
  "text for a limit": (cmd) => cmd.limit("core", "much" as "unlimited"),
  "a soft limit above the hard one": (cmd) => cmd.limit("core", 2, 1),
  "unlimited above a hard limit": (cmd) => cmd.limit("core", "unlimited", 1),
  "a negative number of files": (cmd) => cmd.maxFiles(-1),
  "an empty folder": (cmd) => cmd.cwd(""),
  "a NUL byte in a folder": (cmd) => cmd.cwd("/\0"),
  "a folder that is no text": (cmd) => cmd.cwd(7 as unknown as string),
  "a second folder": (cmd) => cmd.cwd("/").cwd("/tmp"),
  "a process group that is none": (cmd) => cmd.processGroup(-1),
  "a session and a process group": (cmd) => cmd.session().processGroup(),
};

for (const [what, setup] of Object.entries(MISUSES)) {
  conform(`${what} is a misuse`, () => {
    assertInstanceOf(setup(new Command("true")).error, UsageError);
  });
}

conform("the child stays in the parent's session and process group", async () => {
  const seen = await groupsSeen();
  assert(seen.group !== seen.pid && seen.session !== seen.pid);
  assertEquals(seen.ppid, process.pid);
});

conform("session() makes the child the leader of a session of its own", async () => {
  const { pid, group, session } = await groupsSeen((cmd) => cmd.session());
  assertEquals([group, session], [pid, pid]);
});

conform("processGroup() makes the child the leader of a group of its own", async () => {
  const own = await groupsSeen();
  const { pid, group, session } = await groupsSeen((cmd) => cmd.processGroup());
  assertEquals([group, session], [pid, own.session]);
});

conform("processGroup(pgid) puts the child into a group that is there", async ({ defer }) => {
  const leader = await new Command("sleep", 1000).processGroup().spawn();
  defer(() => leader[Symbol.asyncDispose]());
  const { group } = await groupsSeen((cmd) => cmd.processGroup(leader.pid));
  assertEquals(group, leader.pid);
});

conform("a process group that is not there is a SpawnError of step session", async () => {
  await failsToStart(() => new Command("true").processGroup(0x7ffffff0), {
    step: "session",
    syscall: "setpgid",
    code: "EPERM",
    errno: 1,
    path: undefined,
    exitCode: 125,
  });
});
