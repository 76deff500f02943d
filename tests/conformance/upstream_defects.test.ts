/**
 * What users of virCommand stumbled over, and must not stumble over here.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import {
  Command,
  dryRun,
  ExitError,
  secret,
  SpawnError,
  TimeoutError,
  UsageError,
} from "../../mod.ts";
import { endLater } from "../support/daemons.ts";
import { failure } from "../support/failures.ts";
import { conform, isRunning, killHard } from "../support/harness.ts";
import { statusSeen } from "../support/world.ts";

const sh = (script: string) => new Command("sh", "-c", script);
const fine = new URL("../support/hooks/fail.ts", import.meta.url);

conform("the reason of a misuse is told, not only that there was one", async () => {
  const cmd = new Command("true").umask(0o10000).arg("a\0b");
  const error = await failure(UsageError, () => cmd.run());
  assertStringIncludes(error.message, "umask");
  assertEquals(cmd.error, error);
});

conform("a failure after a hook that went well is a failure", async () => {
  const cmd = new Command("/no/such/program").preExec(fine, "fine");
  assertEquals((await failure(SpawnError, () => cmd.run())).exitCode, 127);
});

conform("a daemon whose program cannot be executed has not been started", async (t) => {
  const pidFile = join(t.folder(), "pid");
  const cmd = new Command("/no/such/program").daemonize().pidFile(pidFile);
  assertEquals((await failure(SpawnError, () => cmd.run())).step, "exec");
  assert(!existsSync(pidFile));
});

conform("to pass one variable that is not set does not pass all the others", async () => {
  assertEquals(await new Command("env").envPass("VIRCOMMAND_NO_SUCH_VARIABLE").text(), "");
});

conform("a user without a group does not keep the groups of root", async () => {
  const { Groups, Gid } = await statusSeen((cmd) => cmd.user("nobody"));
  assert(!(Groups ?? "").split(" ").includes("0"), Groups);
  assert(!(Gid ?? "").split("\t").includes("0"), Gid);
}, { root: true });

conform("standard streams can be exchanged in any way", async (t) => {
  const [a, b] = [join(t.folder(), "a"), join(t.folder(), "b")];
  const [one, two] = [openSync(a, "w"), openSync(b, "w")];
  await sh("echo out; echo err >&2").stdout(two).stderr(one).run();
  closeSync(one);
  closeSync(two);
  assertEquals([readFileSync(a, "utf8"), readFileSync(b, "utf8")], ["err\n", "out\n"]);
});

conform("a command can be run again, with fresh pipes and buffers", async () => {
  const cmd = new Command("cat").stdin("input");
  for (let i = 0; i < 3; i++) assertEquals(await cmd.text(), "input");
});

conform("a grandchild that holds a pipe does not hold the caller up", async ({ defer }) => {
  const { stdout, drained } = await sh("sleep 60 & echo $!").run({ drain: 30 });
  defer(() => killHard(parseInt(stdout)));
  assertEquals(drained, false);
});

conform("a program has time to end between SIGTERM and SIGKILL", async () => {
  const script =
    "trap 'sleep 0.1; echo tidied; exit 0' TERM; echo up; while :; do sleep 0.01; done";
  const child = await sh(script).stdout("pipe").spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  await child.abort();
  const { value } = await reader.read();
  assertEquals(new TextDecoder().decode(value), "tidied\n");
  assertEquals((await child.wait()).code, 0);
});

conform("a umask of 0 and a limit of 0 can be said, and n files are n", async () => {
  const cmd = sh("umask; ulimit -c; ulimit -n").umask(0).maxCoreSize(0).maxFiles(100);
  assertEquals(await cmd.text(), "0000\n0\n100\n");
});

conform("a dry run is no matter of the whole process", async () => {
  const dry = dryRun(() => ({ stdout: "dry" }), async () => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    return await new Command("echo", "wet").text();
  });
  assertEquals(await new Command("echo", "wet").text(), "wet\n");
  assertEquals(await dry, "dry");
});

conform("secrets are in no error", async () => {
  const cmd = sh("exit 1").arg(secret("hunter2")).env("TOKEN", "hunter3");
  const error = await failure(ExitError, () => cmd.run());
  assert(!/hunter/.test(`${error.message} ${error.command} ${error.stack}`), error.message);
});

conform("a descriptor that was given as standard input stays the caller's", async () => {
  const fd = openSync("/dev/null", "r");
  await new Command("cat").stdin(fd).run();
  await failure(SpawnError, () => new Command("/no/such/program").stdin(fd).spawn());
  // closeSync throws if somebody has closed it already.
  closeSync(fd);
});

conform("both outputs can go to one stream, whole", async () => {
  const pieces: number[] = [];
  const sink = new WritableStream<Uint8Array>({ write: (piece) => void pieces.push(piece.length) });
  const script = "head -c 100000 /dev/zero; head -c 100000 /dev/zero >&2";
  await sh(script).stdout(sink).stderr(sink).run();
  assertEquals(pieces.reduce((sum, each) => sum + each, 0), 200_000);
});

conform("the start of a daemon does not wait for it to read", async ({ defer }) => {
  const cmd = new Command("sleep", 1000).daemonize();
  cmd.sendBuffer(new Uint8Array(300_000));
  const { daemonPid } = endLater(defer, await cmd.run({ timeout: 10_000 }));
  assert(isRunning(daemonPid));
});

conform("an empty path is no pid file", () => {
  assert(new Command("true").daemonize().pidFile("").error instanceof UsageError);
});

conform("a handshake is part of a dry run", async () => {
  await dryRun(null, async () => {
    const child = await new Command("true").handshake().stdin("x").spawn();
    await child.handshakeWait();
    await child.handshakeNotify();
    await child.wait();
  });
});

conform("what this user wants loaded is not loaded by a program of another user", () => {
  process.env["LD_LIBRARY_PATH"] = "/tmp/own";
  try {
    const own = new Command("true").envPassCommon();
    assertStringIncludes(own.toString(), "LD_LIBRARY_PATH");
    const other = new Command("true").envPassCommon().uid(65534).gid(65534);
    assert(!other.toString().includes("LD_LIBRARY_PATH"), other.toString());
  } finally {
    delete process.env["LD_LIBRARY_PATH"];
  }
});

conform(
  "output that is read piece by piece leaves no program behind when reading fails",
  async () => {
    const enough = () => {
      throw new RangeError("enough");
    };
    await failure(RangeError, () => new Command("yes").runRegex([/y/], enough));
    await failure(RangeError, () => new Command("cat", "/dev/zero").runNul(2, enough));
  },
);

conform("to dispose of a child kills it before anything else", async () => {
  const child = await new Command("sleep", 1000).stdout("pipe").spawn();
  await child[Symbol.asyncDispose]();
  assert(!isRunning(child.pid));
});

conform("a missing program fails alike, by name and by path", async () => {
  const [byName, byPath] = [
    await failure(SpawnError, () => new Command("vircommand-no-such-program").run()),
    await failure(SpawnError, () => new Command("/no/such/program").run()),
  ];
  assertEquals([byName.step, byName.code, byName.exitCode], [
    byPath.step,
    byPath.code,
    byPath.exitCode,
  ]);
});

conform("there are time limits", async () => {
  await failure(TimeoutError, () => new Command("sleep", 1000).run({ timeout: 20 }));
});
