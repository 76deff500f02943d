import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { constants, existsSync, readFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { Command, UnsupportedError, UsageError } from "../../mod.ts";
import { failure } from "../support/failures.ts";
import { conform, type Context, isRunning, killHard, until } from "../support/harness.ts";
import { program, programArgv } from "../support/runtime.ts";

const features = ["dieWithParent"];

/** Writes its pid under a name that is not there before all of it is. */
const REPORT = 'echo $$ >"$0.new"; mv "$0.new" "$0"; ';

/**
 * Ends on SIGTERM, after it has reported that to a file and to its output. The signal may arrive
 * before there is a `sleep` to kill: then `kill` complains, to a pipe that nobody reads.
 */
const SLOW =
  "trap 'kill -9 $! 2>/dev/null; echo terminated >\"$0.end\"; echo output; exit' TERM; " + REPORT +
  "while :; do sleep 1000 & wait $!; kill -9 $!; done";

/** Ignores SIGTERM, and says that it got SIGUSR1. */
const PICKY = 'trap "" TERM; trap \'kill -9 $! 2>/dev/null; echo usr1 >"$0.end"; exit\' USR1; ' +
  REPORT +
  "while :; do sleep 1000 & wait $!; kill -9 $!; done";

const PLAIN = REPORT + "exec sleep 1000";

interface Started {
  readonly path: string;
  readonly pid: number;
}

/** Waits until a program has reported its pid; it is killed at the end of the test in any case. */
async function reported(t: Context, path: string): Promise<Started> {
  await until("the program runs", () => existsSync(path));
  const pid = parseInt(readFileSync(path, "utf8"));
  t.defer(() => killHard(pid));
  assert(isRunning(pid));
  return { path, pid };
}

/** Starts a parent and its program, kills the parent, and returns what is left. */
async function orphan(
  t: Context,
  how: string,
  signal: string,
  script: string,
  ...more: string[]
): Promise<Started> {
  const folder = t.folder();
  await new Command("chmod", "777", folder).run();
  const path = join(folder, "pid");
  const parent = await program("dies", how, signal, path, script, ...more).stderr("inherit")
    .spawn();
  t.defer(() => parent[Symbol.asyncDispose]());
  const started = await reported(t, path);
  parent.kill("SIGKILL");
  await parent.wait({ check: false });
  return started;
}

const gone = ({ pid }: Started) => until("the program is gone", () => !isRunning(pid));

for (const how of ["spawn", "runSync"]) {
  conform(`${how}: the program is killed when its parent ends`, async (t) => {
    await gone(await orphan(t, how, "SIGKILL", PLAIN));
  }, { features });

  conform(`${how}: it gets the signal that was chosen, and may take its time`, async (t) => {
    const started = await orphan(t, how, "SIGTERM", SLOW);
    await gone(started);
    assertEquals(readFileSync(`${started.path}.end`, "utf8"), "terminated\n");
  }, { features });

  conform(`${how}: it gets no other signal, in a second stage as well`, async (t) => {
    const started = await orphan(t, how, "SIGUSR1", PICKY, "stage");
    await gone(started);
    assertEquals(readFileSync(`${started.path}.end`, "utf8"), "usr1\n");
  }, { features });

  conform(`${how}: a hook does not undo it`, async (t) => {
    const started = await orphan(t, how, "SIGTERM", SLOW, "hook", "privs");
    await gone(started);
    assertEquals(readFileSync(`${started.path}.end`, "utf8"), "terminated\n");
  }, { features: [...features, "preExec"] });

  conform(`${how}: a change of user and of capabilities does not undo it`, async (t) => {
    const started = await orphan(t, how, "SIGTERM", SLOW, "user", "caps", "privs");
    await gone(started);
    assertEquals(readFileSync(`${started.path}.end`, "utf8"), "terminated\n");
    await gone(await orphan(t, how, "SIGKILL", PLAIN, "user", "hook"));
  }, { features: [...features, "preExec"], root: true });
}

for (const how of ["spawn", "runSync", "exec"]) {
  conform(`${how}: the parent may end while the program is being started`, async (t) => {
    const path = join(t.folder(), "pid");
    const [reached, go] = [`${path}.reached`, `${path}.go`];
    await new Command("mkfifo", reached, go).run();
    const argv = programArgv("dies", how, "SIGKILL", path, PLAIN, "fifos");
    // A shell that stays is the parent of what replaces this process; else this process itself is.
    const shell = how === "exec" ? ["sh", "-c", '"$@"; :', "sh"] : [];
    const parent = await Command.from([...shell, ...argv]).stderr("null").spawn();
    t.defer(() => parent[Symbol.asyncDispose]());
    // Opened when the child opens it as well: its end is that of the child.
    const child = await open(reached, "r");
    parent.kill("SIGKILL");
    await parent.wait({ check: false });
    // If it still waits there.
    const opened = open(go, constants.O_RDWR);
    t.defer(async () => (await opened).close());
    let ended = false;
    const end = child.read(new Uint8Array(1), 0, 1).then(() => ended = true);
    t.defer(async () => {
      if (existsSync(path)) killHard(parseInt(readFileSync(path, "utf8")));
      await end;
      await child.close();
    });
    // A supervisor takes a moment to notice, in which the program may begin.
    const runs = () => how !== "runSync" && existsSync(path);
    await until("the child has ended, or runs", () => ended || runs());
    assert(!runs());
  }, { features: [...features, ...(how === "exec" ? ["exec"] : [])] });
}

conform("exec in place: the program dies with the parent that this process had", async (t) => {
  const path = join(t.folder(), "pid");
  // A shell that stays is the parent.
  const argv = programArgv("dies", "exec", "SIGKILL", path, PLAIN);
  const shell = await new Command("sh", "-c", '"$@"; :', "sh", ...argv).stderr("inherit").spawn();
  t.defer(() => shell[Symbol.asyncDispose]());
  const started = await reported(t, path);
  shell.kill("SIGKILL");
  await shell.wait({ check: false });
  await gone(started);
}, { features: [...features, "exec"] });

conform("without it, the program outlives its parent", async (t) => {
  const path = join(t.folder(), "pid");
  const script = `(${REPORT}exec sleep 1000) & wait`;
  const shell = await new Command("sh", "-c", script, path).spawn();
  t.defer(() => shell[Symbol.asyncDispose]());
  await until("it runs", () => existsSync(path));
  const pid = Number((await new Command("pgrep", "-P", shell.pid, "sleep").text()).trim());
  t.defer(() => killHard(pid));
  shell.kill("SIGKILL");
  await shell.wait({ check: false });
  assert(isRunning(pid));
}, { needs: ["pgrep"] });

conform("what is not the parent's end does not end the program", async () => {
  const cmd = () => new Command("sh", "-c", "sleep 0.05; echo out; exit 3").dieWithParent();
  const { code, stdout } = await cmd().run({ check: false });
  assertEquals([code, stdout], [3, "out\n"]);
  const sync = cmd().runSync({ check: false });
  assertEquals([sync.code, sync.stdout], [3, "out\n"]);
  const echo = new Command("cat").stdin("x".repeat(200_000)).dieWithParent("SIGTERM");
  assertEquals((await echo.run()).stdout.length, 200_000);
  assertEquals(echo.runSync().stdout.length, 200_000);
});

conform("too much output and time limits end it in a synchronous run all the same", async (t) => {
  const path = join(t.folder(), "pid");
  const script = `trap "" TERM; ${REPORT}while :; do echo y; done`;
  const cmd = () => new Command("sh", "-c", script, path).dieWithParent("SIGTERM");
  await failure(Error, () => cmd().runSync({ maxBuffer: 100_000 }));
  await gone(await endedBy(path));
  await failure(Error, () => cmd().stdout("null").runSync({ timeout: 50, grace: 10 }));
  await gone(await endedBy(path));
  async function endedBy(file: string): Promise<Started> {
    await until("it has run", () => existsSync(file));
    return { path: file, pid: parseInt(readFileSync(file, "utf8")) };
  }
}, { features });

conform("in a worker, the worker's end counts", async (t) => {
  const path = join(t.folder(), "pid");
  const argv = ["worker", "SIGKILL", path, PLAIN];
  const parent = await program("dies", ...argv).stdin("pipe").stderr("inherit").spawn();
  t.defer(() => parent[Symbol.asyncDispose]());
  const started = await reported(t, path);
  const writer = parent.stdin.getWriter();
  await writer.write("end");
  await gone(started);
  assert(isRunning(parent.pid));
}, { features });

conform("the signal is set, and set after everything that undoes it", () => {
  const cmd = new Command("true").dieWithParent("SIGTERM").uid(1).gid(1).clearCaps().noNewPrivs()
    .cwd("/");
  const lines = cmd.explain().split("\n");
  const at = lines.findIndex((line) => line.includes("prctl(PR_SET_PDEATHSIG, SIGTERM)"));
  assert(at > lines.findLastIndex((line) => /^(identity|capabilities|chdir|noNew)/.test(line)));
  assertEquals(lines[at + 1], "dieWithParent getppid()");
  assertStringIncludes(lines[at + 2] ?? "", "futex(");
});

conform("of two signals, the last counts; SIGKILL is the default", () => {
  const display = (cmd: Command) => cmd.explain().match(/PR_SET_PDEATHSIG, \w+/g)?.join();
  assertEquals(display(new Command("true").dieWithParent()), "PR_SET_PDEATHSIG, SIGKILL");
  const twice = new Command("true").dieWithParent("SIGHUP").dieWithParent(12);
  assertEquals(display(twice), "PR_SET_PDEATHSIG, SIGUSR2");
});

for (const method of ["selinuxLabel", "apparmorProfile"] as const) {
  conform(`with ${method} it is an UnsupportedError: the kernel would forget it`, async () => {
    const cmd = () => new Command("true").dieWithParent()[method]("a:b:c:d");
    for (const start of [() => cmd().run(), () => cmd().runSync(), () => cmd().spawn()]) {
      const error = await failure(UnsupportedError, start);
      assertStringIncludes(error.feature, method);
    }
  });
}

conform("a daemon has no parent to die with", async () => {
  const cmd = () => new Command("true").daemonize().dieWithParent();
  for (const start of [() => cmd().run(), () => cmd().runSync(), () => cmd().spawn()]) {
    const error = await failure(UsageError, start);
    assertStringIncludes(error.message, "dieWithParent");
  }
});

for (const signal of [0, 65, -1, 1.5, "SIGNONE", "", null, undefined]) {
  conform(`dieWithParent(${JSON.stringify(signal)})`, () => {
    const { error } = new Command("true").dieWithParent(signal as number);
    // Left out, it is SIGKILL.
    assertEquals(error instanceof UsageError, signal !== undefined);
    if (signal !== undefined) assertStringIncludes(error?.message ?? "", JSON.stringify(signal));
  });
}
