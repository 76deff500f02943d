import { assert, assertEquals } from "@std/assert";
import { existsSync, readFileSync, readlinkSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  backendInfo,
  Command,
  HandshakeError,
  SpawnError,
  StateError,
  UsageError,
} from "../../mod.ts";
import { endLater } from "../support/daemons.ts";
import { failure } from "../support/failures.ts";
import { conform, isRunning, killHard, until } from "../support/harness.ts";
import { program } from "../support/runtime.ts";
import { parseLimits, parseStatus } from "../support/world.ts";

const of = (pid: number, file: string) => readFileSync(`/proc/${pid}/${file}`, "utf8");

conform("between the two everything but exec has happened", async (t) => {
  const folder = realpathSync(t.folder());
  const touched = join(folder, "touched");
  const cmd = new Command("touch", touched).umask(0o35).cwd(folder).limit("core", 0, 0);
  const child = await cmd.handshake().spawn();
  t.defer(() => child[Symbol.asyncDispose]());
  assertEquals(child.state, "handshaking");
  await child.handshakeWait();
  const { pid } = child;
  assertEquals(parseStatus(of(pid, "status"))["Umask"], "0035");
  assertEquals(readlinkSync(`/proc/${pid}/cwd`), folder);
  assertEquals(parseLimits(of(pid, "limits"))["Max core file size"], { soft: "0", hard: "0" });
  assert(!existsSync(touched));
  await child.handshakeNotify();
  await child.wait();
  assert(existsSync(touched));
});

conform("the program has not been executed before it is let go", async (t) => {
  const child = await new Command("sleep", 1000).handshake().spawn();
  t.defer(() => child[Symbol.asyncDispose]());
  await child.handshakeWait();
  const before = readlinkSync(`/proc/${child.pid}/exe`);
  // Nor does it run in its parent's memory, unless that had to be copied.
  const copied = backendInfo().stage === "copy";
  assertEquals(before === readlinkSync("/proc/self/exe"), copied);
  assert(!before.endsWith("/sleep"), before);
  await child.handshakeNotify();
  await until("it runs", () => readlinkSync(`/proc/${child.pid}/exe`) !== before);
  assertEquals(child.state, "running");
});

conform("input and output wait for the program", async () => {
  const child = await new Command("cat").stdin("text").stdout("capture").handshake().spawn();
  await child.handshakeWait();
  await child.handshakeNotify();
  assertEquals((await child.wait()).stdout, "text");
});

conform("a child that is disposed of before it is let go never runs its program", async (t) => {
  const touched = join(t.folder(), "touched");
  const child = await new Command("touch", touched).handshake().spawn();
  await child.handshakeWait();
  const { pid } = child;
  await child[Symbol.asyncDispose]();
  assert(!isRunning(pid));
  assert(!existsSync(touched));
});

conform("if the parent dies, the program never runs", async (t) => {
  const touched = join(t.folder(), "touched");
  const parent = await program("handshake", touched).stdout("pipe").spawn();
  t.defer(() => parent[Symbol.asyncDispose]());
  const { value } = await parent.stdout.getReader().read();
  const pid = parseInt(new TextDecoder().decode(value));
  t.defer(() => killHard(pid));
  assert(isRunning(pid));
  parent.kill("SIGKILL");
  await parent.wait({ check: false });
  await until("the child has gone as well", () => !isRunning(pid));
  assert(!existsSync(touched));
}, { features: ["handshake"] });

conform("a daemon with a pid file shakes hands too", async (t) => {
  const path = join(t.folder(), "pid");
  const cmd = new Command("sleep", 1000).daemonize().pidFile(path).handshake();
  const child = await cmd.spawn();
  await child.handshakeWait();
  assertEquals(readFileSync(path, "utf8"), String(child.pid));
  assert(isRunning(child.pid));
  await child.handshakeNotify();
  const result = endLater(t.defer, await child.wait());
  assertEquals(result.daemonPid, child.pid);
  await until("it runs", () => readlinkSync(`/proc/${child.pid}/exe`).endsWith("/sleep"));
});

conform("a daemon that is not let go leaves nothing running", async (t) => {
  const path = join(t.folder(), "pid");
  const child = await new Command("sleep", 1000).daemonize().pidFile(path).handshake().spawn();
  await child.handshakeWait();
  const { pid } = child;
  await child[Symbol.asyncDispose]();
  await until("it is gone", () => !isRunning(pid));
});

conform("an exec that fails after it was let go is a SpawnError, of wait() as well", async (t) => {
  const path = join(t.folder(), "program");
  writeFileSync(path, "#!/no/such/interpreter\n", { mode: 0o755 });
  const child = await new Command(path).handshake().spawn();
  await child.handshakeWait();
  const error = await failure(SpawnError, () => child.handshakeNotify());
  assertEquals([error.step, error.code, error.path], ["exec", "ENOENT", "/no/such/interpreter"]);
  assertEquals(await failure(SpawnError, () => child.wait()), error);
});

conform("a step that fails before is a SpawnError of spawn()", async () => {
  const cmd = new Command("true").cwd("/no/such/folder").handshake();
  assertEquals((await failure(SpawnError, () => cmd.spawn())).step, "chdir");
});

conform("a second call is a StateError", async (t) => {
  const child = await new Command("true").handshake().spawn();
  t.defer(() => child[Symbol.asyncDispose]());
  await child.handshakeWait();
  await failure(StateError, () => child.handshakeWait());
  await child.handshakeNotify();
  await failure(StateError, () => child.handshakeNotify());
  await child.wait();
});

conform("without handshake() both are StateErrors", async () => {
  const child = await new Command("true").spawn();
  await failure(StateError, () => child.handshakeWait());
  await failure(StateError, () => child.handshakeNotify());
  await child.wait();
});

conform("to let a child go that has been killed is a HandshakeError", async () => {
  const child = await new Command("true").handshake().spawn();
  await child.handshakeWait();
  child.kill("SIGKILL");
  await until("it is gone", () => !isRunning(child.pid));
  await failure(HandshakeError, () => child.handshakeNotify());
  await child.wait({ check: false }).catch((error) => assert(error instanceof HandshakeError));
});

conform("run() cannot shake hands: nobody could answer", async () => {
  await failure(UsageError, () => new Command("true").handshake().run());
  await failure(UsageError, () => new Command("true").handshake().runSync());
});

conform("many children can wait at once", async () => {
  const children = await Promise.all(
    Array.from({ length: 20 }, () => new Command("true").handshake().spawn()),
  );
  for (const child of children) await child.handshakeWait();
  assertEquals(new Set(children.map(({ pid }) => pid)).size, 20);
  for (const child of children.reverse()) await child.handshakeNotify();
  for (const child of children) assertEquals((await child.wait()).code, 0);
});
