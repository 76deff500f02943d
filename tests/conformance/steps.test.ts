import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { Command, syscalls, UsageError } from "../../mod.ts";
import { failsToStart, failure, WAYS } from "../support/failures.ts";
import { conform } from "../support/harness.ts";
import { fdsSeen, limitsSeen, type Setup, statusSeen } from "../support/world.ts";

type PaletteCall = Parameters<Command["step"]>[0];

const { chdir, fcntl, ioctl, keyctl, ioprio_set, mount, prctl, prlimit64, raw } = syscalls;
const { chroot, pivot_root, sched_setaffinity, sched_setscheduler, sethostname } = syscalls;
const { setns, setpriority, umount2, unshare } = syscalls;

/** Every call of the palette, and how explain() shows it. */
const SHOWN: Record<keyof typeof syscalls, [PaletteCall, string]> = {
  prctl: [prctl("PR_SET_NO_NEW_PRIVS", 1), "prctl(PR_SET_NO_NEW_PRIVS, 1)"],
  unshare: [unshare(["CLONE_NEWNS", "CLONE_NEWUTS"]), "unshare(CLONE_NEWNS|CLONE_NEWUTS)"],
  setns: [setns(7, "CLONE_NEWNET"), "setns(7, CLONE_NEWNET)"],
  mount: [
    mount("none", "/mnt", "tmpfs", ["MS_NOSUID", "MS_NODEV"], "size=1m"),
    'mount("none", "/mnt", "tmpfs", MS_NOSUID|MS_NODEV, "size=1m")',
  ],
  umount2: [umount2("/mnt", "MNT_DETACH"), 'umount2("/mnt", MNT_DETACH)'],
  chroot: [chroot("/srv"), 'chroot("/srv")'],
  pivot_root: [pivot_root("/new", "/new/old"), 'pivot_root("/new", "/new/old")'],
  chdir: [chdir("/a b"), 'chdir("/a b")'],
  sethostname: [sethostname("box"), 'sethostname("box", 3)'],
  ioctl: [ioctl(0, "TIOCSCTTY", 1), "ioctl(0, TIOCSCTTY, 1)"],
  prlimit64: [
    prlimit64("nofile", 5, "unlimited"),
    "prlimit64(0, RLIMIT_NOFILE, {rlim_cur=5, rlim_max=unlimited}, NULL)",
  ],
  setpriority: [setpriority("PRIO_PGRP", 0, -3), "setpriority(PRIO_PGRP, 0, -3)"],
  ioprio_set: [
    ioprio_set("IOPRIO_WHO_PROCESS", 0, "IOPRIO_CLASS_BE", 6),
    "ioprio_set(IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 6))",
  ],
  sched_setaffinity: [sched_setaffinity([0, 3]), "sched_setaffinity(0, 8, [0 3])"],
  sched_setscheduler: [sched_setscheduler("SCHED_RR", 2), "sched_setscheduler(0, SCHED_RR, [2])"],
  fcntl: [fcntl(3, "F_SETPIPE_SZ", 4096), "fcntl(3, F_SETPIPE_SZ, 4096)"],
  keyctl: [
    keyctl("KEYCTL_JOIN_SESSION_KEYRING", "name"),
    'keyctl(KEYCTL_JOIN_SESSION_KEYRING, "name")',
  ],
  raw: [raw("umask", 0o22, null), "umask(18, NULL)"],
};

const stepsOf = (cmd: Command) =>
  cmd.explain().split("\n").filter((line) => line.startsWith("step ")).map((line) =>
    line.replace(/^step +/, "")
  );

for (const [name, [call, display]] of Object.entries(SHOWN)) {
  conform(`explain shows ${name} with symbolic constants`, () => {
    assertEquals(stepsOf(new Command("true").step(call)), [display]);
  });
}

conform("the table above has every call of the palette", () => {
  assertEquals(Object.keys(SHOWN).toSorted(), Object.keys(syscalls).toSorted());
});

conform("steps come in the order in which they were said, after ids and folder", () => {
  const cmd = new Command("true").step(chdir("/a"), chdir("/b")).uid(1).gid(1).cwd("/").step(
    chdir("/c"),
  );
  assertEquals(stepsOf(cmd), ['chdir("/a")', 'chdir("/b")', 'chdir("/c")']);
  const lines = cmd.explain().split("\n").map((line) => line.split(" ")[0]);
  assert(lines.indexOf("step") > lines.lastIndexOf("chdir"));
  assert(lines.indexOf("step") > lines.lastIndexOf("identity"));
});

conform("prctl: the program can be kept from gaining privileges", async () => {
  const { NoNewPrivs } = await statusSeen((cmd) => cmd.step(prctl("PR_SET_NO_NEW_PRIVS", 1)));
  assertEquals(NoNewPrivs, "1");
});

conform("prctl: text is passed as it is, and is there before exec", async (t) => {
  const child = await new Command("true").step(prctl("PR_SET_NAME", "né")).handshake().spawn();
  t.defer(() => child[Symbol.asyncDispose]());
  await child.handshakeWait();
  assertEquals(readFileSync(`/proc/${child.pid}/comm`, "utf8"), "né\n");
});

/** A field of /proc/self/stat of a child, by its number in proc_pid_stat(5). */
async function statField(number: number, setup: Setup): Promise<string | undefined> {
  const text = await setup(new Command("cat", "/proc/self/stat")).text();
  return text.slice(text.lastIndexOf(")") + 2).split(" ")[number - 3];
}

conform("setpriority: the child's nice value, not the parent's", async () => {
  const own = readFileSync("/proc/self/stat", "utf8");
  assertEquals(await statField(19, (cmd) => cmd.step(setpriority("PRIO_PROCESS", 0, 19))), "19");
  const niceIn = (text: string) => text.slice(text.lastIndexOf(")") + 2).split(" ")[16];
  assertEquals(niceIn(readFileSync("/proc/self/stat", "utf8")), niceIn(own));
});

conform("sched_setscheduler: the policy", async () => {
  const SCHED_IDLE = "5";
  const idle: Setup = (cmd) => cmd.step(sched_setscheduler("SCHED_IDLE"));
  assertEquals(await statField(41, idle), SCHED_IDLE);
});

conform("sched_setaffinity: the processors", async () => {
  const { Cpus_allowed_list = "" } = await statusSeen();
  const cpu = Number(/\d+$/.exec(Cpus_allowed_list)?.[0]);
  const { Cpus_allowed_list: one } = await statusSeen((cmd) => cmd.step(sched_setaffinity([cpu])));
  assertEquals(one, String(cpu));
});

conform("prlimit64: a limit", async () => {
  const seen = await limitsSeen((cmd) => cmd.step(prlimit64("fsize", 5n, 7)));
  assertEquals(seen["Max file size"], { soft: "5", hard: "7" });
});

conform("ioprio_set: the class of input and output", async () => {
  const idle = ioprio_set("IOPRIO_WHO_PROCESS", 0, "IOPRIO_CLASS_IDLE");
  assertEquals(await new Command("ionice").step(idle).text(), "idle\n");
}, { needs: ["ionice"] });

conform("fcntl and ioctl: descriptors of the child", async (t) => {
  const path = join(t.folder(), "file");
  const fd = openSync(path, "w");
  t.defer(() => closeSync(fd));
  const seen = await fdsSeen((cmd) =>
    cmd.passFd(fd, { as: 7 }).passFd(fd, { as: 8 }).passFd(fd, { as: 9 })
      .step(fcntl(7, "F_DUPFD", 40), fcntl(8, "F_SETFD", 1), ioctl(9, "FIOCLEX"))
  );
  const { 7: seven, 8: eight, 9: nine, 40: forty } = Object.fromEntries(seen);
  assertEquals([seven, eight, nine, forty], [path, undefined, undefined, path]);
});

conform("memory is passed by address, as it was when the call was made", async (t) => {
  const fd = openSync(join(t.folder(), "file"), "w");
  t.defer(() => closeSync(fd));
  const [one, O_NONBLOCK] = [new Uint8Array([1, 0, 0, 0]), 0o4000];
  const nonblocking = ioctl(7, "FIONBIO", one);
  one.fill(0);
  const cmd = new Command("cat", "/proc/self/fdinfo/7").passFd(fd, { as: 7 }).step(nonblocking);
  const [, flags = ""] = /^flags:\s*(\d+)$/m.exec(await cmd.text()) ?? [];
  assertEquals(parseInt(flags, 8) & O_NONBLOCK, O_NONBLOCK);
});

conform("keyctl: a session keyring of one's own", async () => {
  const join = keyctl("KEYCTL_JOIN_SESSION_KEYRING", "vircommand-test");
  assertMatch(await new Command("cat", "/proc/keys").step(join).text(), /vircommand-test: empty/);
}, { skip: existsSync("/proc/keys") ? undefined : "this kernel keeps no keys" });

conform("chdir: after cwd, and relative to it", async () => {
  const cmd = () => new Command("pwd", "-P").cwd("/proc");
  assertEquals(await cmd().step(chdir("sys"), chdir("kernel")).text(), "/proc/sys/kernel\n");
});

conform("raw: a call by name or by its number on this architecture", async () => {
  const number = process.arch === "arm64" ? 166 : 95;
  for (const name of ["umask", number]) {
    const { Umask } = await statusSeen((cmd) => cmd.umask(0o22).step(raw(name, 0o70)));
    assertEquals(Umask, "0070", String(name));
  }
});

conform(
  "raw: a call that nobody knows is a UsageError, one that the kernel lacks is not",
  async () => {
    for (const start of Object.values(WAYS)) {
      for (const name of ["no_such_call", "toString", ""]) {
        await failure(UsageError, () => start(new Command("true").step(raw(name))));
      }
    }
    await failsToStart(() => new Command("true").step(raw(5000)), {
      step: "step",
      syscall: "syscall_5000",
      code: "ENOSYS",
      errno: 38,
      path: undefined,
      exitCode: 125,
    });
  },
);

conform("a call that fails is a SpawnError of step step, with call, errno and path", async () => {
  const fails = { step: "step", exitCode: 125 };
  await failsToStart(() => new Command("true").step(chdir("/no/such/folder")), {
    ...fails,
    syscall: "chdir",
    code: "ENOENT",
    errno: 2,
    path: "/no/such/folder",
  });
  const error = await failsToStart(() => new Command("true").step(fcntl(9_999, "F_GETFL")), {
    ...fails,
    syscall: "fcntl",
    code: "EBADF",
    errno: 9,
    path: undefined,
  });
  assertEquals(error.args, ["9999", "F_GETFL", "0"]);
  assertStringIncludes(error.message, "fcntl(9999, F_GETFL, 0)");
});

conform(
  "after a call that fails, neither the next one nor the program runs",
  async ({ folder }) => {
    const path = join(folder(), "made");
    const O_CREAT_WRONLY = 0o101;
    const create = raw("openat", -100, path, O_CREAT_WRONLY, 0o600);
    const cmd = new Command("touch", path).step(chdir("/no/such/folder"), create);
    for (const start of Object.values(WAYS)) await failure(Error, () => start(cmd));
    assert(!existsSync(path));
    await new Command("true").step(create).run();
    assert(existsSync(path));
  },
);

conform("every way of running makes the calls", async (t) => {
  const make = () =>
    new Command("grep", "NoNewPrivs", "/proc/self/status")
      .step(prctl("PR_SET_NO_NEW_PRIVS", 1));
  assertEquals((await make().run()).stdout, "NoNewPrivs:\t1\n");
  assertEquals(make().runSync().stdout, "NoNewPrivs:\t1\n");
  const file = join(t.folder(), "out");
  await (await make().stdout({ file }).spawn()).wait();
  assertEquals(readFileSync(file, "utf8"), "NoNewPrivs:\t1\n");
});

conform("calls are made with the rights that the program will have", async () => {
  await failsToStart(() => new Command("true").user("nobody").step(sethostname("x")), {
    step: "step",
    syscall: "sethostname",
    code: "EPERM",
    errno: 1,
    path: undefined,
    exitCode: 125,
  });
}, { root: true });

conform("an ordinary user is refused what needs root", async () => {
  const refused = { step: "step", code: "EPERM", errno: 1, exitCode: 125 };
  const cases: [PaletteCall, string, string | undefined][] = [
    [sethostname("x"), "sethostname", undefined],
    [chroot("/"), "chroot", "/"],
    [unshare("CLONE_NEWUTS"), "unshare", undefined],
    [mount("none", "/proc", "tmpfs"), "mount", "/proc"],
  ];
  for (const [call, syscall, path] of cases) {
    await failsToStart(() => new Command("true").step(call), { ...refused, syscall, path });
  }
}, { skip: process.getuid?.() === 0 ? "needs an ordinary user" : undefined });

const MISUSES: Record<string, () => PaletteCall> = {
  "an unknown constant": () => prctl("PR_NO_SUCH" as "PR_SET_NAME", 1),
  "a constant of another call": () => unshare("MS_BIND" as "CLONE_FS"),
  "a name from the prototype": () => umount2("/", "toString" as "MNT_FORCE"),
  "a NUL byte in a path": () => chroot("/\0"),
  "a path that is no text": () => mount("none", 7 as unknown as string),
  "a descriptor that is not whole": () => setns(1.5),
  "no processors": () => sched_setaffinity([]),
  "a processor below zero": () => sched_setaffinity([-1]),
  "an unknown limit": () => prlimit64("swap" as "core", 1),
  "a limit below zero": () => prlimit64("core", -1),
  "seven arguments": () => raw("umask", 1, 2, 3, 4, 5, 6, 7),
  "a number of a call that is none": () => raw(-1),
};

for (const [what, make] of Object.entries(MISUSES)) {
  conform(`${what} is a UsageError, at once`, async () => {
    await failure(UsageError, make);
  });
}

const NO_CALLS: Record<string, unknown> = {
  "null": null,
  "undefined": undefined,
  "a name": "umask",
  "a number": 95,
  "an empty object": {},
  "a function": () => {},
};

for (const [what, call] of Object.entries(NO_CALLS)) {
  conform(`${what} is no step: a misuse`, () => {
    assert(new Command("true").step(call as PaletteCall).error instanceof UsageError);
  });
}
