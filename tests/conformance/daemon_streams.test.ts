import { assert, assertEquals } from "@std/assert";
import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { backendInfo, Command, UsageError } from "../../mod.ts";
import { endLater, fdsAsleep, startDaemon } from "../support/daemons.ts";
import { failure, WAYS } from "../support/failures.ts";
import { census, conform, isRunning, until } from "../support/harness.ts";

const sleep = () => new Command("sleep", 1000);

conform("the daemon's streams are /dev/null, and it has no other descriptors", async (t) => {
  const { daemonPid } = await startDaemon(t, sleep());
  assertEquals(await fdsAsleep(daemonPid), { 0: "/dev/null", 1: "/dev/null", 2: "/dev/null" });
});

conform("the daemon's streams can be files and descriptors", async (t) => {
  const dir = realpathSync(t.folder());
  const [input, out, err] = ["in", "out", "err"].map((name) => join(dir, name));
  assert(input !== undefined && out !== undefined && err !== undefined);
  writeFileSync(input, "input");
  const fd = openSync(err, "w");
  t.defer(() => closeSync(fd));
  const cmd = sleep().stdin({ file: input }).stdout({ file: out, append: true }).stderr(fd);
  const { daemonPid } = await startDaemon(t, cmd);
  assertEquals(await fdsAsleep(daemonPid), { 0: input, 1: out, 2: err });
});

conform("the daemon's streams can be ours, and one can be the other", async (t) => {
  const path = join(realpathSync(t.folder()), "log");
  const cmd = sleep().stdin("inherit").stdout({ file: path }).stderr("stdout");
  const { daemonPid } = await startDaemon(t, cmd);
  assertEquals(await fdsAsleep(daemonPid), {
    0: readlinkSync("/proc/self/fd/0"),
    1: path,
    2: path,
  });
});

const TENDED: Record<string, (cmd: Command) => Command> = {
  "text for stdin": (cmd) => cmd.stdin("text"),
  "bytes for stdin": (cmd) => cmd.stdin(new Uint8Array(1)),
  "a stream for stdin": (cmd) => cmd.stdin(["a", "b"]),
  "a pipe for stdin": (cmd) => cmd.stdin("pipe"),
  "a pipe for stdout": (cmd) => cmd.stdout("pipe"),
  "a pipe for stderr": (cmd) => cmd.stderr("pipe"),
  "capture of stdout": (cmd) => cmd.stdout("capture"),
  "capture of stderr": (cmd) => cmd.stderr("capture"),
  "a stream for stdout": (cmd) => cmd.stdout(new WritableStream()),
};

for (const [what, setup] of Object.entries(TENDED)) {
  conform(`nobody tends a daemon's streams: ${what} is a misuse`, async ({ folder }) => {
    const path = join(folder(), "started");
    for (const start of Object.values(WAYS)) {
      const cmd = setup(new Command("sh", "-c", ': >"$0"', path)).daemonize();
      await failure(UsageError, () => start(cmd));
    }
    assert(!existsSync(path));
  });
}

for (const way of ["run", "runSync"] as const) {
  conform(`${way}: the daemon reads its buffers to the end, however late and large`, async (t) => {
    const bytes = new Uint8Array(3_000_000).map((_, i) => i * 7);
    const dir = t.folder();
    const path = join(dir, "got");
    const cmd = new Command("sh", "-c", 'sleep 0.05; cat <&3 >"$0"; cat <&4 >>"$0"', path);
    assertEquals([cmd.sendBuffer(bytes), cmd.sendBuffer("end")], [3, 4]);
    const { daemonPid } = endLater(t.defer, await cmd.daemonize()[way]());
    await until("the daemon has ended", () => !isRunning(daemonPid));
    const got = readFileSync(path);
    assertEquals(got.length, bytes.length + 3);
    assert(got.subarray(0, bytes.length).equals(bytes));
    assertEquals(got.subarray(bytes.length).toString(), "end");
  });
}

conform("run does not wait until the daemon has read its buffers", async (t) => {
  const cmd = sleep();
  cmd.sendBuffer(new Uint8Array(300_000));
  const { daemonPid } = await startDaemon(t, cmd);
  assert(isRunning(daemonPid));
});

conform("runSync of a daemon that never reads its buffers can be given up", (t) => {
  const pidFile = join(t.folder(), "pid");
  const cmd = sleep().daemonize().pidFile(pidFile);
  cmd.sendBuffer(new Uint8Array(300_000));
  const result = cmd.runSync({ timeout: 50, check: false });
  endLater(t.defer, result);
  // The launcher hands buffers on as files: there is nothing to wait for.
  assertEquals(result.timedOut, backendInfo().driver === "native");
  assertEquals(readFileSync(pidFile, "utf8"), String(result.daemonPid));
});

conform("the daemon has the descriptors that were passed", async (t) => {
  const path = join(realpathSync(t.folder()), "file");
  const fd = openSync(path, "w");
  const cmd = sleep().passFd(fd, { as: 7, closeParent: true });
  const { daemonPid } = await startDaemon(t, cmd);
  assertEquals((await fdsAsleep(daemonPid))[7], path);
  assert(![...census().fds].some((each) => each.endsWith(path)), "it is still open here");
});
