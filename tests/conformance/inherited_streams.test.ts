import { assert, assertEquals } from "@std/assert";
import { chmodSync, closeSync, constants, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { backendInfo, Command } from "../../mod.ts";
import { conform } from "../support/harness.ts";
import { preparedProgram, programArgv } from "../support/runtime.ts";

const { O_APPEND, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } = constants;
const { runtime, driver } = backendInfo();

/** What tests/support/programs/streams.ts reports. */
interface Seen {
  readonly what: string[];
  readonly before: number[];
  readonly imported: number[];
  readonly after: number[];
  /** Of the child. */
  readonly child: number[];
}

const isNonblocking = (flags: number) => (flags & O_NONBLOCK) !== 0;

function flagsIn(fdinfo: string): number[] {
  return [...fdinfo.matchAll(/^flags:\s*(\d+)/gm)].map(([, flags = ""]) => parseInt(flags, 8));
}

/** Sets O_NONBLOCK where the shell has put these streams, before the runtime starts. */
function nonblocking(...fds: number[]): string {
  const open = fds.map((fd) =>
    `open(my $h${fd}, "+<&=", ${fd}) or open($h${fd}, "<&=", ${fd}); ` +
    `fcntl($h${fd}, F_SETFL, fcntl($h${fd}, F_GETFL, 0) | O_NONBLOCK) or die $!;`
  ).join(" ");
  return `perl -MFcntl -e '${open}' || exit 9; export NODE_NO_WARNINGS=1; exec`;
}

function seenBy(report: string): Seen {
  const child = flagsIn(readFileSync(`${report}.child`, "utf8"));
  return { ...JSON.parse(readFileSync(report, "utf8")), child };
}

const perl = { needs: ["perl"] };

conform("importing the library changes no flag of any descriptor", async (t) => {
  const report = join(t.folder(), "report");
  const argv = programArgv("streams", report, "run");
  await preparedProgram("export NODE_NO_WARNINGS=1; exec", argv).stdin("x").run();
  const { what, before, imported } = seenBy(report);
  if (driver !== "portable") { for (const each of what) assert(each.startsWith("pipe:"), each); }
  assertEquals(imported, before);
});

const noDescriptors = runtime === "deno" && driver === "portable"
  ? "Deno's own runSync takes no descriptors"
  : undefined;

const WAYS: Record<string, readonly string[]> = {
  run: [],
  runSync: [],
  spawn: [],
  daemonize: ["daemonize"],
  handshake: ["handshake"],
  hook: ["preExec"],
  exec: ["exec"],
};

for (const [way, features] of Object.entries(WAYS)) {
  conform(
    `${way}: inherited streams are blocking, and the parent's stay as they are`,
    async (t) => {
      const report = join(t.folder(), "report");
      const fifo = join(t.folder(), "fifo");
      await new Command("mkfifo", fifo).run();
      // Unnamed pipes by way of a pipeline, whatever the driver of this process makes.
      const script = `: | { ${nonblocking(0, 1, 2)} "$@"; } 2>&1 | cat`;
      const argv = programArgv("streams", report, way);
      await new Command("sh", "-c", script, "sh", ...argv).run();
      const { what, before, after, child } = seenBy(report);
      for (const each of what) assert(each.startsWith("pipe:"), each);
      assertEquals(before.map(isNonblocking), [true, true, true]);
      assertEquals(child.map(isNonblocking), [false, false, false]);
      assertEquals(after.map(isNonblocking), [true, true, true]);
    },
    { ...perl, features, skip: way === "runSync" ? noDescriptors : undefined },
  );
}

conform("merged outputs of a program with an inherited stream are blocking", async (t) => {
  const report = join(t.folder(), "report");
  const script = `: | { ${nonblocking(0, 1, 2)} "$@"; } 2>&1 | cat`;
  await new Command("sh", "-c", script, "sh", ...programArgv("streams", report, "run", "merged"))
    .run();
  assertEquals(seenBy(report).child.map(isNonblocking), [false, false, false]);
}, perl);

conform(
  "a terminal that the parent made non-blocking is the child's own, and blocking",
  async (t) => {
    const [report, program] = [join(t.folder(), "report"), join(t.folder(), "program")];
    const argv = programArgv("streams", report, "run").map((each) => `'${each}'`).join(" ");
    writeFileSync(program, `${nonblocking(0)} ${argv}\n`);
    // With a stream of ours as its input it would be over at once.
    const terminal = new Command("script", "-qec", `sh ${program}`, "/dev/null").stdin("pipe");
    const shell = await terminal.spawn();
    await shell.wait();
    await shell.stdin.close();
    const { what, before, after, child } = seenBy(report);
    for (const each of what) assert(each.startsWith("/dev/pts/"), each);
    assert(isNonblocking(before[0] ?? 0));
    assertEquals(child.map(isNonblocking), [false, false, false]);
    assert(isNonblocking(after[0] ?? 0));
  },
  { needs: ["perl", "script"] },
);

conform("a socket cannot be opened again: it is blocking for both", async (t) => {
  const report = join(t.folder(), "report");
  const wrap = "socketpair(my $a, my $b, AF_UNIX, SOCK_STREAM, 0) or die $!; " +
    'fcntl($a, F_SETFL, O_NONBLOCK) or die $!; open(STDIN, "<&", $a) or die $!; exec @ARGV';
  const perl = ["perl", "-MSocket", "-MFcntl", "-e", wrap, "--"];
  await Command.from([...perl, ...programArgv("streams", report, "run")]).run();
  const { what, before, child } = seenBy(report);
  assert(what[0]?.startsWith("socket:"), what[0]);
  assertEquals([before[0] ?? 0, child[0] ?? 0].map(isNonblocking), [true, false]);
}, { ...perl, skip: driver === "portable" ? "the runtime's own spawner decides" : undefined });

conform("a FIFO that this user may not open is blocking for both", async (t) => {
  const folder = t.folder();
  chmodSync(folder, 0o777);
  const [report, path] = [join(folder, "report"), join(folder, "fifo")];
  await new Command("mkfifo", "-m", 600, path).run();
  const both = openSync(path, O_RDWR | O_NONBLOCK);
  t.defer(() => closeSync(both));
  const other = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env"];
  const own = [`HOME=${folder}`, `DENO_DIR=${folder}`, `TMPDIR=${folder}`, "NODE_NO_WARNINGS=1"];
  const argv = [...other, ...own, ...programArgv("streams", report, "run")];
  const perl = `open(STDIN, "<&=", 9) or die $!; exec @ARGV`;
  await new Command("perl", "-e", perl, "--", ...argv).passFd(both, { as: 9 }).run();
  const { before, child, after } = seenBy(report);
  assertEquals([before[0] ?? 0, child[0] ?? 0].map(isNonblocking), [true, false]);
  assertEquals(isNonblocking(after[0] ?? 0), false);
}, { root: true, needs: ["perl", "setpriv"], features: ["passFd", "step"] });

/** Both sides of a FIFO, as a program with an event loop has them. */
async function fifo(t: { folder(): string; defer(action: () => void): void }) {
  const path = join(t.folder(), "fifo");
  await new Command("mkfifo", path).run();
  const open = (flags: number) => {
    const fd = openSync(path, flags | O_NONBLOCK);
    t.defer(() => closeSync(fd));
    return fd;
  };
  const read = open(O_RDONLY);
  return {
    path,
    read,
    write: open(O_WRONLY),
    both: open(O_RDWR),
    append: open(O_WRONLY | O_APPEND),
  };
}

const flagsOf = (fd: number | string) =>
  flagsIn(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))[0] ?? -1;

conform("a FIFO keeps its access mode and O_APPEND when it is opened again", async (t) => {
  const { read, write, both, append } = await fifo(t);
  const report = join(t.folder(), "report");
  for (const [stdin, stdout, stderr] of [[read, write, append], [both, append, both]] as const) {
    const out = openSync(report, "w");
    await new Command("sh", "-c", '(cat "/proc/$$/fdinfo/"[012] >&3); :').stdin(stdin).stdout(
      stdout,
    )
      .stderr(stderr)
      .passFd(out, { as: 3, closeParent: true }).run();
    const given = flagsIn(readFileSync(report, "utf8"));
    const asked = [stdin, stdout, stderr].map(flagsOf);
    const kept = 3 | O_APPEND;
    assertEquals(given.map((each) => each & kept), asked.map((each) => each & kept));
    assertEquals(given.map(isNonblocking), [false, false, false]);
    if (driver !== "portable") assertEquals(asked.map(isNonblocking), [true, true, true]);
  }
});

conform("a program that inherits a non-blocking FIFO writes all there is to write", async (t) => {
  const { path, write } = await fifo(t);
  const reader = await new Command(
    "sh",
    "-c",
    'exec <"$0"; sleep 0.2; head -c 1988895 | wc -c',
    path,
  )
    .stdout("pipe").spawn();
  await new Command("seq", 1, 300_000).stdout(write).run();
  assertEquals((await new Response(reader.stdout).text()).trim(), "1988895");
  await reader.wait();
});

conform("a program that inherits an empty non-blocking FIFO waits for input", async (t) => {
  const { read, write } = await fifo(t);
  const child = await new Command("head", "-n1").stdin(read).stdout("pipe").spawn();
  await new Command("sh", "-c", "sleep 0.1; echo late").stdout(write).run();
  assertEquals(await new Response(child.stdout).text(), "late\n");
  await child.wait();
});

conform("a regular file is handed on as it is, with its offset", async (t) => {
  const path = join(t.folder(), "file");
  writeFileSync(path, "one\ntwo\n");
  const fd = openSync(path, O_RDONLY | O_NONBLOCK);
  t.defer(() => closeSync(fd));
  assertEquals(await new Command("head", "-c", 4).stdin(fd).text(), "one\n");
  assertEquals(await new Command("cat").stdin(fd).text(), "two\n");
  // Spawners of the runtimes clear the flag; it has no effect on files.
  if (driver !== "portable") assert(isNonblocking(flagsOf(fd)));
});

conform("a descriptor that is passed under another number stays as it is", async (t) => {
  const { read } = await fifo(t);
  const text = await new Command("cat", "/proc/self/fdinfo/7").passFd(read, { as: 7 }).text();
  assertEquals(flagsIn(text).map(isNonblocking), [true]);
}, { features: ["passFd"] });

conform("a parent that reads the same input is not held up", async (t) => {
  const report = join(t.folder(), "report");
  // Every attempt would fail if the flag were cleared for both: the machine may be busy at times.
  let seen = { longest: Infinity, flags: "" };
  for (let i = 0; i < 6 && seen.longest >= 50; i++) {
    const script = '(while sleep 0.2; do echo line || exit; done) | "$@"';
    await new Command("sh", "-c", script, "sh", ...programArgv("loop", report)).run();
    seen = JSON.parse(readFileSync(report, "utf8"));
  }
  assert(seen.longest < 50, `${seen.longest} ms`);
  assert(!isNonblocking(parseInt(seen.flags, 8)), seen.flags);
}, {
  timeoutMs: 60_000,
});

conform("a parent whose input ended sees its child end as well", async (t) => {
  const path = join(t.folder(), "fifo");
  await new Command("mkfifo", path).run();
  const read = openSync(path, O_RDONLY | O_NONBLOCK);
  t.defer(() => closeSync(read));
  await new Command("sh", "-c", 'echo last >"$0"', path).run();
  // Told of the end by poll(2), as event loops are.
  const poll = "use IO::Poll; my $p = IO::Poll->new; $p->mask(*STDIN => POLLIN); " +
    "while ($p->poll(5) > 0) { sysread(STDIN, my $b, 99) or exit 0; print $b; } exit 1";
  const cmd = new Command("perl", "-e", poll).stdin(read);
  if (driver === "native") assertEquals(await cmd.text(), "last\n");
}, { needs: ["perl"], skip: driver === "native" ? undefined : "poll(2) cannot be called here" });

for (const fd of [0, 1, 2]) {
  conform(`nothing of ours takes the number ${fd} when the parent has closed it`, async (t) => {
    const [report, file] = [join(t.folder(), "report"), join(t.folder(), "file")];
    const argv = programArgv("low", report, String(fd), file);
    await preparedProgram("exec", argv).stdin("x").run();
    const { original, taken, outcomes } = JSON.parse(readFileSync(report, "utf8"));
    for (const each of taken) {
      assert(!/eventpoll|pidfd|memfd|vircommand|null|file/.test(each), each);
    }
    // Deno keeps its standard streams. Bun never closes what it has opened at these numbers itself,
    // a copy of a pipe that it reads for one; and Node's own spawner keeps sockets there.
    if (taken.includes(original)) return;
    const own = runtime === "bun" ? 0 : driver === "native" ? 4 : 1;
    assertEquals(outcomes.slice(0, own), Array(own).fill("SpawnError EBADF"));
    if (driver === "native" && runtime === "node") assertEquals(taken, []);
  }, {
    skip: runtime === "bun" && driver !== "native" ? "Bun's own files" : undefined,
    features: ["passFd"],
  });
}

conform("a child of another user can open its streams and buffers by their names", async () => {
  for (
    const setup of [
      (cmd: Command) => cmd.user("nobody"),
      (cmd: Command) => cmd.uid(65534),
      (cmd: Command) => cmd.gid(65534).uid(4711),
    ]
  ) {
    for (const sync of [false, true]) {
      const script = "cat /dev/stdin /dev/fd/$0; echo out >/dev/stdout; echo err >/dev/stderr";
      const cmd = setup(new Command("sh", "-c", script)).stdin("in ");
      cmd.arg(cmd.sendBuffer("sent "));
      const { stdout, stderr } = sync ? cmd.runSync() : await cmd.run();
      assertEquals([stdout, stderr], ["in sent out\n", "err\n"]);
    }
  }
}, { root: true });
