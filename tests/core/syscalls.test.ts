import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { UsageError } from "../../core/errors.ts";
import type { PaletteArgument, PaletteCall } from "../../core/command/palette.ts";
import * as constants from "../../core/tables/constants.ts";
import * as syscalls from "../../core/command/syscalls.ts";

const u64 = (...values: bigint[]) => new Uint8Array(new BigUint64Array(values).buffer);
const i32 = (value: number) => new Uint8Array(new Int32Array([value]).buffer);

/** A call, how it reads, and what the kernel gets. */
const CALLS: [call: PaletteCall, shown: string, args: PaletteArgument[]][] = [
  [syscalls.prctl("PR_SET_NO_NEW_PRIVS", 1), "prctl(PR_SET_NO_NEW_PRIVS, 1)", [38n, 1]],
  [syscalls.prctl("PR_SET_NAME", "x\ny", null), 'prctl(PR_SET_NAME, "x\\ny", NULL)', [
    15n,
    "x\ny",
    null,
  ]],
  [syscalls.prctl(38, 1n), "prctl(PR_SET_NO_NEW_PRIVS, 1)", [38n, 1n]],
  [syscalls.unshare("CLONE_NEWNS"), "unshare(CLONE_NEWNS)", [0x20000n]],
  [
    syscalls.unshare(["CLONE_NEWNS", "CLONE_NEWPID"]),
    "unshare(CLONE_NEWNS|CLONE_NEWPID)",
    [0x20020000n],
  ],
  [syscalls.unshare([]), "unshare(0)", [0n]],
  [syscalls.setns(5), "setns(5, 0)", [5, 0n]],
  [syscalls.setns(5, "CLONE_NEWNET"), "setns(5, CLONE_NEWNET)", [5, 0x40000000n]],
  [
    syscalls.mount("proc", "/proc", "proc", ["MS_NOSUID", "MS_NODEV"], "hidepid=2"),
    'mount("proc", "/proc", "proc", MS_NOSUID|MS_NODEV, "hidepid=2")',
    ["proc", "/proc", "proc", 6n, "hidepid=2"],
  ],
  [syscalls.mount(null, "/"), 'mount(NULL, "/", NULL, 0, NULL)', [null, "/", null, 0n, null]],
  [syscalls.umount2("/mnt", "MNT_DETACH"), 'umount2("/mnt", MNT_DETACH)', ["/mnt", 2n]],
  [syscalls.umount2("/mnt"), 'umount2("/mnt", 0)', ["/mnt", 0n]],
  [syscalls.chroot("/srv"), 'chroot("/srv")', ["/srv"]],
  [syscalls.pivot_root("/new", "/old"), 'pivot_root("/new", "/old")', ["/new", "/old"]],
  [syscalls.chdir("/a b"), 'chdir("/a b")', ["/a b"]],
  [syscalls.sethostname("höst"), 'sethostname("höst", 5)', ["höst", 5]],
  [syscalls.ioctl(0, "TIOCSCTTY", 1), "ioctl(0, TIOCSCTTY, 1)", [0, 0x540en, 1]],
  [
    syscalls.prlimit64("nofile", 64, "unlimited"),
    "prlimit64(0, RLIMIT_NOFILE, {rlim_cur=64, rlim_max=unlimited}, NULL)",
    [0, 7, u64(64n, 2n ** 64n - 1n), null],
  ],
  [
    syscalls.prlimit64("core", 0n),
    "prlimit64(0, RLIMIT_CORE, {rlim_cur=0, rlim_max=0}, NULL)",
    [0, 4, u64(0n, 0n), null],
  ],
  [
    syscalls.setpriority("PRIO_PROCESS", 0, -5),
    "setpriority(PRIO_PROCESS, 0, -5)",
    [0n, 0, -5],
  ],
  [
    syscalls.ioprio_set("IOPRIO_WHO_PROCESS", 0, "IOPRIO_CLASS_IDLE", 7),
    "ioprio_set(IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 7))",
    [1n, 0, (3 << 13) | 7],
  ],
  [
    syscalls.sched_setaffinity([0, 2, 9]),
    "sched_setaffinity(0, 8, [0 2 9])",
    [0, 8, u64(0b10_0000_0101n)],
  ],
  [syscalls.sched_setaffinity([64]), "sched_setaffinity(0, 16, [64])", [0, 16, u64(0n, 1n)]],
  [
    syscalls.sched_setscheduler("SCHED_FIFO", 10),
    "sched_setscheduler(0, SCHED_FIFO, [10])",
    [0, 1n, i32(10)],
  ],
  [
    syscalls.sched_setscheduler(["SCHED_RR", "SCHED_RESET_ON_FORK"], 1),
    "sched_setscheduler(0, SCHED_RR|SCHED_RESET_ON_FORK, [1])",
    [0, 0x40000002n, i32(1)],
  ],
  [syscalls.fcntl(3, "F_SETPIPE_SZ", 65536), "fcntl(3, F_SETPIPE_SZ, 65536)", [3, 1031n, 65536]],
  [syscalls.fcntl(3, "F_DUPFD"), "fcntl(3, F_DUPFD, 0)", [3, 0n, 0]],
  [
    syscalls.keyctl("KEYCTL_JOIN_SESSION_KEYRING", null),
    "keyctl(KEYCTL_JOIN_SESSION_KEYRING, NULL)",
    [1n, null],
  ],
  [syscalls.raw("getpid"), "getpid()", []],
  [
    syscalls.raw(39, -1, 2n ** 64n - 1n, "x", new Uint8Array(3), null),
    '39(-1, 18446744073709551615, "x", /* 3 bytes */, NULL)',
    [-1, 2n ** 64n - 1n, "x", new Uint8Array(3), null],
  ],
];

for (const [call, display, args] of CALLS) {
  test(`the palette makes ${display}`, () => {
    assertEquals(`${call.name}(${call.shown.join(", ")})`, display);
    assertEquals([...call.args], args);
  });
}

test("a failure is about the file or folder that the call names", () => {
  const paths = [
    syscalls.mount("proc", "/proc"),
    syscalls.umount2("/mnt"),
    syscalls.chroot("/srv"),
    syscalls.pivot_root("/new", "/old"),
    syscalls.chdir("/x"),
    syscalls.prctl("PR_SET_NAME", "/x"),
  ].map((call) => call.path);
  assertEquals(paths, ["/proc", "/mnt", "/srv", "/new", "/x", undefined]);
});

const NUMBERS: [what: string, call: PaletteCall, shown: string][] = [
  ["one flag", syscalls.unshare(0x20000), "CLONE_NEWNS"],
  ["several flags", syscalls.unshare(0x20000000 | 0x20000), "CLONE_NEWNS|CLONE_NEWPID"],
  ["a flag and an unknown one", syscalls.unshare(0x20001), "0x20001"],
  ["an unknown flag", syscalls.umount2("/", 0x40), "0x40"],
  ["flags by name and number", syscalls.unshare(["CLONE_FS", 0x20000]), "CLONE_FS|CLONE_NEWNS"],
  ["a constant that is 0", syscalls.setpriority(0, 0, 0), "PRIO_PROCESS"],
  ["a command that looks like two others", syscalls.fcntl(3, 5), "0x5"],
  ["an option that looks like two others", syscalls.prctl(3), "0x3"],
  ["an operation that looks like others", syscalls.keyctl(11), "0xb"],
  ["a negative number", syscalls.fcntl(3, -1), "-1"],
  ["a number beyond 32 bits", syscalls.mount(null, "/", null, 2 ** 40 + 1), "0x10000000001"],
];

for (const [what, call, display] of NUMBERS) {
  test(`a number is shown as the constant that it is: ${what}`, () => {
    const at = call.name === "setpriority" || typeof call.args[0] === "bigint"
      ? 0
      : call.name === "mount"
      ? 3
      : 1;
    assertEquals(call.shown[at], display);
  });
}

// deno-lint-ignore no-explicit-any -- what TypeScript refuses is what is tested
type Loose = Record<keyof typeof syscalls, (...args: any[]) => PaletteCall>;
const loose = syscalls as Loose;

const BAD: [what: string, call: () => PaletteCall][] = [
  ["prctl: an unknown option", () => loose.prctl("PR_NOPE")],
  ["prctl: a name that every object has", () => loose.prctl("toString")],
  ["prctl: an option of another call", () => loose.prctl("MS_BIND")],
  ["prctl: a broken number", () => loose.prctl(1.5)],
  ["prctl: an undefined argument", () => loose.prctl("PR_SET_NAME", undefined)],
  ["prctl: a record as argument", () => loose.prctl("PR_SET_NAME", {})],
  ["prctl: seven arguments", () => loose.prctl("PR_SET_NAME", 1, 2, 3, 4, 5, 6)],
  ["unshare: one wrong name among others", () => loose.unshare(["CLONE_FS", "CLONE_NOPE"])],
  ["unshare: nothing", () => loose.unshare()],
  ["setns: no descriptor", () => loose.setns("3")],
  ["setns: a broken descriptor", () => loose.setns(0.5)],
  ["mount: no target", () => loose.mount("a", null)],
  ["mount: a NUL byte", () => loose.mount("a", "b\0")],
  ["umount2: half a character", () => loose.umount2("\ud800")],
  ["chroot: no path", () => loose.chroot(undefined)],
  ["pivot_root: one path", () => loose.pivot_root("/a")],
  ["chdir: a number", () => loose.chdir(3)],
  ["sethostname: no name", () => loose.sethostname(null)],
  ["ioctl: an unknown request", () => loose.ioctl(0, "TIOCNOPE")],
  ["prlimit64: an unknown limit", () => loose.prlimit64("nope", 1)],
  ["prlimit64: a negative limit", () => loose.prlimit64("core", -1)],
  ["prlimit64: a broken hard limit", () => loose.prlimit64("core", 1, 1.5)],
  ["setpriority: no nice value", () => loose.setpriority("PRIO_PROCESS", 0)],
  ["setpriority: an unknown kind", () => loose.setpriority("PRIO_NOPE", 0, 0)],
  ["ioprio_set: an unknown class", () => loose.ioprio_set("IOPRIO_WHO_USER", 0, "NOPE")],
  ["ioprio_set: a broken level", () => loose.ioprio_set("IOPRIO_WHO_USER", 0, 2, 1.5)],
  [
    "ioprio_set: a level that would change the class",
    () => loose.ioprio_set("IOPRIO_WHO_USER", 0, 2, 8192),
  ],
  ["ioprio_set: a negative level", () => loose.ioprio_set("IOPRIO_WHO_USER", 0, 2, -1)],
  ["sched_setaffinity: no processors", () => loose.sched_setaffinity([])],
  ["sched_setaffinity: a negative processor", () => loose.sched_setaffinity([0, -1])],
  ["sched_setaffinity: text", () => loose.sched_setaffinity(["0"])],
  ["sched_setaffinity: a processor beyond all kernels", () => loose.sched_setaffinity([8192])],
  ["sched_setscheduler: an unknown policy", () => loose.sched_setscheduler("SCHED_NOPE")],
  ["sched_setscheduler: a broken priority", () => loose.sched_setscheduler("SCHED_RR", 1.5)],
  ["sched_setscheduler: text as priority", () => loose.sched_setscheduler("SCHED_RR", "9")],
  [
    "sched_setscheduler: a priority beyond an int",
    () => loose.sched_setscheduler("SCHED_RR", 2 ** 32 + 1),
  ],
  ["fcntl: no descriptor", () => loose.fcntl(null, "F_GETFD")],
  ["keyctl: an unknown operation", () => loose.keyctl("KEYCTL_NOPE")],
  ["keyctl: seven arguments", () => loose.keyctl("KEYCTL_LINK", 1, 2, 3, 4, 5, 6)],
  ["raw: seven arguments", () => loose.raw("getpid", 1, 2, 3, 4, 5, 6, 7)],
  ["raw: a negative number", () => loose.raw(-1)],
  ["raw: a broken number", () => loose.raw(1.5)],
  ["raw: a number that no register holds", () => loose.raw("getpid", 2n ** 64n)],
  ["raw: a negative number that no register holds", () => loose.raw("getpid", -(2n ** 63n) - 1n)],
];

for (const [what, call] of BAD) {
  test(`the palette refuses at once, and says of which call: ${what}`, () => {
    const [name] = what.split(":");
    assertMatch(assertThrows(call, UsageError).message, new RegExp(`^${name}: `));
  });
}

test("memory is copied when the call is made", () => {
  for (const bytes of [new Uint8Array([1, 2]), Buffer.from([1, 2])]) {
    const call = syscalls.raw("write", 1, bytes, 2);
    bytes.fill(0);
    const kept = call.args[1];
    assertEquals(kept instanceof Uint8Array ? [...kept] : kept, [1, 2]);
  }
});

test("no two constants of one table have the same value", () => {
  for (const [name, table] of Object.entries<Readonly<Record<string, number>>>({ ...constants })) {
    const values = Object.values(table);
    assertEquals(new Set(values).size, values.length, name);
  }
});
