import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { Command, SpawnError, TimeoutError, UsageError } from "../../mod.ts";
import { endLater } from "../support/daemons.ts";
import { failure, WAYS } from "../support/failures.ts";
import { conform } from "../support/harness.ts";

const hook = (name: string) => new URL(`../support/hooks/${name}.ts`, import.meta.url);

conform("a hook runs in the child, before the program, with data and what is known", async (t) => {
  const path = join(t.folder(), "told");
  const script = 'echo $$; cat "$0"';
  const cmd = new Command("sh", "-c", script, path).env("A", "b").envPass("PATH")
    .preExec(hook("tell"), { path, more: [1, null] });
  const { stdout, pid } = await cmd.run();
  const [shell = "", report = ""] = stdout.split("\n");
  const seen = JSON.parse(report);
  assertEquals([seen.pid, seen.own, Number(shell)], [pid, pid, pid]);
  assertEquals(seen.argv, ["sh", "-c", script, path]);
  assertEquals(seen.env, { A: "b", PATH: process.env["PATH"] });
  assertEquals(seen.fds, [0, 1, 2]);
  assertEquals(seen.data, { path, more: [1, null] });
});

conform("a hook has rights that the program will not have", async (t) => {
  const path = join(t.folder(), "told");
  const cmd = new Command("id", "-u").user("nobody").preExec(hook("tell"), { path });
  assertEquals(await cmd.text(), "65534\n");
  assertEquals(JSON.parse(readFileSync(path, "utf8")).uid, 0);
}, { root: true });

for (const [way, start] of Object.entries(WAYS)) {
  conform(`${way}: a hook that throws is a SpawnError with its message and stack`, async () => {
    const cmd = new Command("true").preExec(hook("fail"), "throw");
    const error = await failure(SpawnError, () => start(cmd));
    assertEquals([error.step, error.exitCode], ["preExec", 125]);
    assertStringIncludes(error.message, "the lock is taken");
    assert(error.cause instanceof Error);
    assertStringIncludes(error.cause.stack ?? "", "fail.ts");
  });

  conform(`${way}: a hook that returns another number than 0 stops the start`, async (t) => {
    const touched = join(t.folder(), "touched");
    const cmd = new Command("touch", touched).preExec(hook("fail"), "number");
    const error = await failure(SpawnError, () => start(cmd));
    assertEquals(error.step, "preExec");
    assertStringIncludes(error.message, "3");
    assert(!existsSync(touched));
  });

  conform(`${way}: a hook that ends its process stops the start`, async () => {
    const cmd = new Command("true").preExec(hook("fail"), "exit");
    assertEquals((await failure(SpawnError, () => start(cmd))).step, "preExec");
  });

  conform(`${way}: what fails after a hook is reported as ever`, async () => {
    const make = () => new Command("true").preExec(hook("fail"), "fine");
    const chdir = await failure(SpawnError, () => start(make().cwd("/no/such/folder")));
    assertEquals([chdir.step, chdir.code, chdir.path], ["chdir", "ENOENT", "/no/such/folder"]);
    const cmd = new Command("/no/such/program").preExec(hook("fail"), "fine");
    const exec = await failure(SpawnError, () => start(cmd));
    assertEquals([exec.step, exec.code, exec.exitCode], ["exec", "ENOENT", 127]);
  });
}

conform("a hook that is missing is a SpawnError of step preExec", async () => {
  const cmd = new Command("true").preExec("/no/such/hook.ts");
  assertEquals((await failure(SpawnError, () => cmd.run())).step, "preExec");
});

conform("input, output and send buffers are the program's", async () => {
  const cmd = new Command("sh", "-c", 'cat; cat "/proc/self/fd/$0"; echo err >&2').stdin("in ");
  const fd = cmd.sendBuffer("buffer");
  const { stdout, stderr } = await cmd.arg(fd).preExec(hook("fail"), "fine").run();
  assertEquals([stdout, stderr], ["in buffer", "err\n"]);
});

conform("a daemon can have a hook and a pid file", async (t) => {
  const folder = t.folder();
  const [path, pidFile] = [join(folder, "told"), join(folder, "pid")];
  const cmd = new Command("sleep", 1000).daemonize().pidFile(pidFile)
    .preExec(hook("tell"), { path });
  const { daemonPid } = endLater(t.defer, await cmd.run());
  assertEquals(JSON.parse(readFileSync(path, "utf8")).pid, daemonPid);
  assertEquals(readFileSync(pidFile, "utf8"), String(daemonPid));
});

conform("a hook comes before the handshake", async (t) => {
  const path = join(t.folder(), "told");
  const child = await new Command("true").preExec(hook("tell"), { path }).handshake().spawn();
  t.defer(() => child[Symbol.asyncDispose]());
  await child.handshakeWait();
  assertEquals(JSON.parse(readFileSync(path, "utf8")).pid, child.pid);
  await child.handshakeNotify();
  assertEquals((await child.wait()).code, 0);
});

conform("the time limit counts while the hook runs", async () => {
  const cmd = new Command("true").preExec(hook("stuck"));
  await failure(TimeoutError, () => cmd.run({ timeout: 100 }));
  await failure(TimeoutError, () => cmd.runSync({ timeout: 100 }));
});

conform("explain names the hook in its place", () => {
  const lines = new Command("true").umask(0o22).cwd("/").preExec(hook("tell")).explain().split(
    "\n",
  );
  const at = (step: string) => lines.findIndex((line) => line.startsWith(step));
  assert(at("umask") < at("preExec") && at("preExec") < at("chdir"), lines.join("\n"));
  assertStringIncludes(lines[at("preExec")] ?? "", "tell.ts");
});

conform("bad hooks are UsageErrors", () => {
  const bad = [
    new Command("true").preExec(hook("tell")).preExec(hook("tell")),
    new Command("true").preExec(hook("tell"), 1n as unknown as number),
    new Command("true").preExec(7 as unknown as string),
  ];
  for (const cmd of bad) assert(cmd.error instanceof UsageError);
});
