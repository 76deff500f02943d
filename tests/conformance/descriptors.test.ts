import { assert, assertEquals, assertInstanceOf, assertNotEquals } from "@std/assert";
import {
  closeSync,
  openSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Command, SpawnError, StateError, UsageError } from "../../mod.ts";
import { BAD_DESCRIPTOR, failsToStart, failure, thrown, WAYS } from "../support/failures.ts";
import { conform, type Context } from "../support/harness.ts";
import { preparedProgram, programArgv } from "../support/runtime.ts";
import { fdsSeen, parseFds } from "../support/world.ts";

function targetOf(fd: number): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return undefined;
  }
}

/** What the descriptors lead to that tests have opened. */
const TARGETS = new Map<number, string>();

/** Whether a descriptor is open as it was; a runtime may have its number for something else. */
function isOpen(fd: number): boolean {
  return targetOf(fd) === TARGETS.get(fd);
}

/** A file that holds `content`, open for reading; the test closes it. */
function opened(t: Context, content: string, dir = t.folder()): number {
  const path = join(realpathSync(dir), content);
  writeFileSync(path, content);
  const fd = openSync(path, "r");
  TARGETS.set(fd, path);
  t.defer(() => {
    if (isOpen(fd)) closeSync(fd);
  });
  return fd;
}

/** What the child reads from each descriptor, without moving the shared offset. */
async function contents(cmd: Command, fds: readonly number[]): Promise<string[]> {
  const script = 'for fd in "$@"; do head -c 100 "/proc/self/fd/$fd"; echo; done';
  const { stdout } = await cmd.args("-c", script, "sh", ...fds).run();
  return stdout.split("\n").slice(0, -1);
}

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((item, at) =>
    permutations(items.toSpliced(at, 1)).map((others) => [item, ...others])
  );
}

conform("the child has three descriptors and no other", async () => {
  assertEquals([...(await fdsSeen()).keys()], [0, 1, 2]);
  const seen = parseFds(new Command("ls", "-l", "/proc/self/fd").runSync().stdout);
  assertEquals([...seen.keys()], [0, 1, 2]);
});

conform(
  "descriptors that the parent was started with, not closed on exec, are not leaked",
  async () => {
    const script = "exec 7</etc/passwd 8</dev/null 9>/dev/null";
    const cmd = preparedProgram(script, programArgv("report", "ls", "-l", "/proc/self/fd"));
    const seen = parseFds(await cmd.text());
    assertEquals([...seen.keys()], [0, 1, 2]);
  },
);

conform("files that the parent has open are not leaked", async (t) => {
  for (let i = 0; i < 20; i++) opened(t, `file-${i}`);
  assertEquals([...(await fdsSeen()).keys()], [0, 1, 2]);
});

conform("a child's pipes do not leak into the next child", async ({ defer }) => {
  const first = await new Command("cat").stdin("pipe").stdout("pipe").stderr("pipe").spawn();
  defer(() => first[Symbol.asyncDispose]());
  assertEquals([...(await fdsSeen()).keys()], [0, 1, 2]);
});

conform("passFd hands a descriptor on under its own number", async (t) => {
  const fd = opened(t, "passed");
  assertEquals(await contents(new Command("sh").passFd(fd), [fd]), ["passed"]);
  const seen = await fdsSeen((cmd) => cmd.passFd(fd));
  assertEquals([...seen.keys()].toSorted((a, b) => a - b), [0, 1, 2, fd]);
  assert(isOpen(fd));
});

conform("passFd hands a descriptor on under another number", async (t) => {
  const fd = opened(t, "passed");
  const cmd = new Command("sh").passFd(fd, { as: 3 });
  assertEquals(await contents(cmd, [3]), ["passed"]);
});

conform("passFd works for high numbers", async (t) => {
  const fd = opened(t, "passed");
  assertEquals(await contents(new Command("sh").passFd(fd, { as: 900 }), [900]), ["passed"]);
});

conform("one descriptor can be passed under several numbers", async (t) => {
  const fd = opened(t, "passed");
  const cmd = new Command("sh").passFd(fd, { as: 3 }).passFd(fd, { as: 5 }).passFd(fd);
  assertEquals(await contents(cmd, [3, 5, fd]), ["passed", "passed", "passed"]);
});

conform("a standard stream of the parent can be passed under another number", async () => {
  const seen = await fdsSeen((cmd) => cmd.passFd(0, { as: 5 }));
  assertEquals([...seen.keys()], [0, 1, 2, 5]);
});

conform("a passed descriptor shares its offset with the parent's", async (t) => {
  const fd = opened(t, "abcdef");
  assertEquals(await new Command("sh", "-c", "head -c 3 <&3").passFd(fd, { as: 3 }).text(), "abc");
});

conform("every permutation of three numbers arrives as it was asked for", async (t) => {
  const dir = t.folder();
  const fds = ["a", "b", "c"].map((name) => opened(t, name, dir));
  for (const targets of permutations(fds)) {
    const cmd = new Command("sh");
    fds.forEach((fd, i) => cmd.passFd(fd, { as: targets[i] ?? -1 }));
    assertEquals(await contents(cmd, targets), ["a", "b", "c"], `${fds} to ${targets}`);
  }
});

conform("every permutation of four numbers arrives as it was asked for, with runSync", (t) => {
  const dir = t.folder();
  const names = ["a", "b", "c", "d"];
  const fds = names.map((name) => opened(t, name, dir));
  const script = 'for fd in "$@"; do cat "/proc/self/fd/$fd"; done';
  for (const targets of permutations(fds)) {
    const cmd = new Command("sh", "-c", script, "sh", ...targets);
    fds.forEach((fd, i) => cmd.passFd(fd, { as: targets[i] ?? -1 }));
    assertEquals(cmd.runSync().stdout, "abcd", `${fds} to ${targets}`);
  }
});

conform("descriptors can be shifted along a chain", async (t) => {
  const dir = t.folder();
  const fds = ["a", "b", "c", "d"].map((name) => opened(t, name, dir));
  const up = fds.map((_, i) => fds[i + 1] ?? 77);
  const down = fds.map((_, i) => fds[i - 1] ?? 77);
  for (const targets of [up, down]) {
    const cmd = new Command("sh");
    fds.forEach((fd, i) => cmd.passFd(fd, { as: targets[i] ?? -1 }));
    assertEquals(await contents(cmd, targets), ["a", "b", "c", "d"]);
  }
});

conform("any number can be a target, whatever the pipes happen to be", async (t) => {
  const fd = opened(t, "passed");
  for (let as = 3; as < 64; as++) {
    const cmd = new Command("sh", "-c", `cat; cat /proc/self/fd/${as}; echo err >&2`);
    const result = await cmd.stdin("input ").passFd(fd, { as }).run();
    assertEquals([result.stdout, result.stderr], ["input passed", "err\n"], `as ${as}`);
  }
});

conform("standard streams can come from descriptors that others replace", async (t) => {
  const dir = t.folder();
  const [a, b, c] = ["a", "b", "c"].map((name) => opened(t, name, dir)) as [number, number, number];
  const cmd = new Command("sh").stdin(a).passFd(b, { as: a }).passFd(c, { as: b });
  assertEquals(await contents(cmd, [0, a, b]), ["a", "b", "c"]);
});

const NOT_PASSED: Record<string, (cmd: Command, fd: number) => Command> = {
  "a negative number": (cmd) => cmd.passFd(-1),
  "a number that is not whole": (cmd) => cmd.passFd(3.5),
  "a number that is none": (cmd) => cmd.passFd(NaN),
  "a negative target": (cmd, fd) => cmd.passFd(fd, { as: -1 }),
  "standard input as target": (cmd, fd) => cmd.passFd(fd, { as: 0 }),
  "standard error as target": (cmd, fd) => cmd.passFd(fd, { as: 2 }),
  "a target that is taken": (cmd, fd) => cmd.passFd(fd, { as: 9 }).passFd(fd, { as: 9 }),
};

for (const [what, setup] of Object.entries(NOT_PASSED)) {
  conform(`${what} for passFd is a misuse`, (t) => {
    assertInstanceOf(setup(new Command("true"), opened(t, "x")).error, UsageError);
  });
}

conform("passing a descriptor that is not open is a SpawnError of step fds", async () => {
  await failsToStart(() => new Command("true").passFd(987_654, { as: 5 }), BAD_DESCRIPTOR);
});

conform("passing a descriptor that is not open under its own number is one too", async () => {
  const error = await failure(SpawnError, () => new Command("true").passFd(19_000).run());
  assertEquals([error.step, error.code, error.exitCode], ["fds", "EBADF", 125]);
});

conform("without closeParent the descriptor stays open in the parent", async (t) => {
  const fd = opened(t, "passed");
  await new Command("true").passFd(fd).run();
  new Command("true").passFd(fd).runSync();
  assert(isOpen(fd));
});

/** Runs that end in every way; each gets a command that passes a descriptor with closeParent. */
const ENDINGS: Record<string, (make: (...argv: string[]) => Command) => unknown> = {
  "it ran well": (make) => make("true").run(),
  "it ran well with runSync": (make) => make("true").runSync(),
  "it ended badly": (make) => thrown(() => make("false").run()),
  "it could not be started": (make) => thrown(() => make("/no/such/program").run()),
  "it could not be found": (make) => thrown(() => make("vircommand-no-such-tool").spawn()),
  "it could not be started with runSync": (make) => thrown(() => make("/").runSync()),
  "its folder is missing": (make) => thrown(() => make("true").cwd("/no/such/folder").run()),
  "it was misused": (make) => thrown(() => make("true").umask(-1).run()),
  "the very call was a misuse": (make) => thrown(() => make("true").passFd(1, { as: 1 }).run()),
  "its options were wrong": (make) => thrown(() => make("true").run({ timeout: -1 })),
  "it was aborted before the start": (make) =>
    thrown(() => make("true").run({ signal: AbortSignal.abort() })),
  "it was never right for runSync": (make) =>
    thrown(() => make("true").stdout(new WritableStream()).runSync()),
  "it was killed": (make) => thrown(() => make("sleep", "1000").run({ timeout: 1 })),
  "it was spawned": async (make) => {
    const child = await make("true").spawn();
    await child.wait();
  },
};

for (const [what, end] of Object.entries(ENDINGS)) {
  conform(`closeParent closes the descriptor when ${what}`, async (t) => {
    const fd = opened(t, "passed");
    await end((...argv) => Command.from(argv).passFd(fd, { as: 77, closeParent: true }));
    assert(!isOpen(fd));
  });
}

conform("spawn has closed the parent's copy as soon as the program runs", async (t) => {
  const fd = opened(t, "passed");
  const child = await new Command("sleep", 1000).passFd(fd, { closeParent: true }).spawn();
  t.defer(() => child[Symbol.asyncDispose]());
  assert(!isOpen(fd));
});

conform("closeParent is honoured even if that call of passFd was wrong", async (t) => {
  const fd = opened(t, "passed");
  const cmd = new Command("true").passFd(fd, { as: 1, closeParent: true });
  await failure(UsageError, () => cmd.run());
  assert(!isOpen(fd));
});

conform("closeParent closes once: a number that serves somebody else is left alone", async (t) => {
  const fd = opened(t, "passed");
  const cmd = new Command("true").passFd(fd, { closeParent: true });
  await cmd.run();
  const others: number[] = [];
  t.defer(() => others.forEach((each) => closeSync(each)));
  while (!others.includes(fd) && others.length < 64) others.push(openSync("/dev/null", "r"));
  assert(others.includes(fd), "the number was not given out again");
  for (const [way, start] of Object.entries(WAYS)) {
    assertInstanceOf(await thrown(() => start(cmd)), StateError, way);
    assertEquals(targetOf(fd), "/dev/null", way);
  }
});

conform("the same descriptor passed twice with closeParent is closed once", async (t) => {
  const fd = opened(t, "passed");
  const cmd = new Command("sh").passFd(fd, { as: 5, closeParent: true });
  cmd.passFd(fd, { as: 6, closeParent: true });
  assertEquals(await contents(cmd, [5, 6]), ["passed", "passed"]);
  assert(!isOpen(fd));
});

conform("a command that never ran leaves the descriptor alone", (t) => {
  const fd = opened(t, "passed");
  const cmd = new Command("true").passFd(fd, { closeParent: true });
  cmd.toString();
  cmd.explain();
  cmd.resolve();
  assert(isOpen(fd));
});

conform("sendBuffer gives the child bytes to read from the number that it returns", async () => {
  const cmd = new Command("cat");
  const fd = cmd.sendBuffer("hello");
  assertEquals(fd, 3);
  assertEquals(await cmd.arg(`/dev/fd/${fd}`).text(), "hello");
  assertEquals(cmd.runSync().stdout, "hello");
});

conform("sendBuffer takes several buffers, binary ones and empty ones", async () => {
  const all = Uint8Array.from({ length: 256 }, (_, i) => i);
  const cmd = new Command("cat");
  const fds = [cmd.sendBuffer("first"), cmd.sendBuffer(new Uint8Array(0)), cmd.sendBuffer(all)];
  assertEquals(new Set(fds).size, 3);
  cmd.args(...fds.map((fd) => `/proc/self/fd/${fd}`));
  const expected = new Uint8Array([...new TextEncoder().encode("first"), ...all]);
  assertEquals(await cmd.bytes(), expected);
  assertEquals(cmd.runSync().stdoutBytes, expected);
});

conform("sendBuffer takes buffers larger than a pipe, and standard input besides", async () => {
  const sizes = [1_000_000, 700_000, 300_000];
  const cmd = new Command("sh", "-c", 'cat "$@" - | wc -c', "sh").stdin("x".repeat(500_000));
  for (const size of sizes) cmd.arg(`/proc/self/fd/${cmd.sendBuffer(new Uint8Array(size))}`);
  assertEquals((await cmd.text()).trim(), "2500000");
  assertEquals(cmd.runSync().stdout.trim(), "2500000");
});

conform("sendBuffer copies, and sends anew at each run", async () => {
  const bytes = new TextEncoder().encode("before");
  const cmd = new Command("cat");
  cmd.arg(`/proc/self/fd/${cmd.sendBuffer(bytes)}`);
  bytes.fill(0);
  assertEquals([await cmd.text(), await cmd.text()], ["before", "before"]);
});

conform("sendBuffer chooses numbers that passFd has not taken", async (t) => {
  const fd = opened(t, "passed");
  const cmd = new Command("sh").passFd(fd, { as: 3 }).passFd(fd, { as: 4 });
  const sent = cmd.sendBuffer("sent");
  assertEquals(sent, 5);
  assertEquals(await contents(cmd, [3, 4, sent]), ["passed", "passed", "sent"]);
});

conform("a number that sendBuffer has taken cannot be passed", (t) => {
  const cmd = new Command("true");
  const sent = cmd.sendBuffer("sent");
  cmd.passFd(opened(t, "x"), { as: sent });
  assertInstanceOf(cmd.error, UsageError);
});

conform("a buffer that the program does not read is no error", async () => {
  const cmd = new Command("true");
  cmd.sendBuffer(new Uint8Array(1_000_000));
  assert((await cmd.run()).status.success);
  assert(cmd.runSync().status.success);
});

conform("a second run passes descriptors again and has fresh pipes", async (t) => {
  const fd = opened(t, "passed");
  const cmd = new Command("sh").passFd(fd, { as: 5 }).stdin("input");
  const sent = cmd.sendBuffer("sent");
  const script = `cat; cat /proc/self/fd/5 /proc/self/fd/${sent}; echo err >&2`;
  cmd.args("-c", script);
  for (let i = 0; i < 3; i++) {
    const { stdout, stderr } = await cmd.run();
    assertEquals([stdout, stderr], ["inputpassedsent", "err\n"]);
  }
});

conform("nonblocking is accepted and changes nothing for the child", async () => {
  const cmd = new Command("cat", "/proc/self/fdinfo/0").nonblocking().stdin("x");
  const [, flags = ""] = /^flags:\s+0*(\d+)$/m.exec(await cmd.text()) ?? [];
  assertEquals(parseInt(flags, 8) & 0o4000, 0);
});

conform("a failed start closes every pipe that was made for it", async () => {
  const before = readdirSync("/proc/self/fd").length;
  for (let i = 0; i < 20; i++) {
    const cmd = new Command("/no/such/program").stdin("x".repeat(100_000));
    cmd.sendBuffer("sent");
    await failure(SpawnError, () => cmd.run());
    await failure(SpawnError, () => cmd.runSync());
  }
  assertNotEquals(before, 0);
  assertEquals(readdirSync("/proc/self/fd").length, before);
});
