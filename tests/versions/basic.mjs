// What every supported release of every runtime must do with the npm package. Plain JavaScript, with
// nothing that an old release lacks. Prints one line for each check: `ok`, `skip` or `fail`.

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";

const { env } = process;
const {
  AbortError,
  backendInfo,
  Command,
  dryRun,
  ExitError,
  MaxBufferError,
  SpawnError,
  TimeoutError,
  UnsupportedError,
  UsageError,
} = await import(env.VIRCOMMAND_PACKAGE);

/** A check that has not ended by then hangs. */
const LIMIT_MS = 5000;

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "vircommand-basic-"));
const { driver, runtime, version, reason, missing } = backendInfo();
const isRoot = process.getuid() === 0;
const sh = (script) => new Command("sh", "-c", script);
let failed = 0;

function equal(actual, expected) {
  const [a, b] = [actual, expected].map((each) => JSON.stringify(each));
  if (a !== b) throw new Error(`got ${a}, expected ${b}`);
}

async function check(name, action, { optional = driver === "portable" } = {}) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("it hangs")), LIMIT_MS);
  });
  try {
    await Promise.race([(async () => await action())(), late]);
    console.log(`ok ${name}`);
  } catch (error) {
    if (error instanceof UnsupportedError && optional) {
      console.log(`skip ${name}: ${error.message}`);
    } else {
      failed++;
      console.log(`fail ${name}: ${error?.name}: ${String(error?.message).replaceAll("\n", " ")}`);
    }
  } finally {
    clearTimeout(timer);
  }
}

/** Awaits an action that must throw; returns its error. */
async function failure(action, Class, fields = {}) {
  let result;
  try {
    result = await action();
  } catch (error) {
    if (!(error instanceof Class)) throw error;
    for (const [name, value] of Object.entries(fields)) equal(error[name], value);
    return error;
  }
  throw new Error(`it did not throw, but returned ${JSON.stringify(result)}`);
}

console.log(`driver ${driver} (${runtime} ${version}: ${reason})`);
console.log(`missing ${Object.keys(missing).sort()}`);

await check("output", async () => equal(await new Command("echo", "a b").text(), "a b\n"));
await check("output, synchronously", () => {
  equal(new Command("echo", "a b").runSync().stdout, "a b\n");
});
await check("both outputs", async () => {
  const { stdout, stderr } = await sh("echo o; echo e >&2").run();
  equal([stdout, stderr], ["o\n", "e\n"]);
});
await check("both outputs, synchronously", () => {
  const { stdout, stderr } = sh("echo o; echo e >&2").runSync();
  equal([stdout, stderr], ["o\n", "e\n"]);
});
await check("stderr goes where stdout goes", async () => {
  equal(await sh("echo o; echo e >&2; echo p").stderr("stdout").text(), "o\ne\np\n");
});
await check("bytes", async () => {
  equal([...await sh("printf '\\377\\0'").bytes()], [255, 0]);
});
await check("input", async () => equal(await new Command("cat").stdin("in").text(), "in"));
await check("more input than a pipe holds", async () => {
  equal((await new Command("cat").stdin("x".repeat(300_000)).text()).length, 300_000);
});
await check("input, synchronously", () => {
  equal(new Command("cat").stdin("in").runSync().stdout, "in");
});
await check("input that is not read", async () => {
  equal(await new Command("head", "-c", 1).stdin("y".repeat(300_000)).text(), "y");
});
await check("input from a stream", async () => {
  const stream = new Blob(["a", "b"]).stream();
  equal(await new Command("cat").stdin(stream).text(), "ab");
});
await check("a large output", async () => {
  equal((await new Command("head", "-c", 3_000_000, "/dev/zero").bytes()).length, 3_000_000);
});
await check("lines", async () => {
  const lines = [];
  for await (const line of sh("echo 1; echo 2").lines()) lines.push(line);
  equal(lines, ["1", "2"]);
});
await check("lines that are left early", async () => {
  for await (const line of new Command("yes").lines()) {
    equal(line, "y");
    break;
  }
});
await check("an exit status", async () => {
  await failure(() => sh("exit 3").run(), ExitError, { code: 3 });
});
await check("a signal", async () => {
  await failure(() => sh("kill -9 $$").run(), ExitError, { signal: "SIGKILL" });
});
await check("check: false", async () => equal((await sh("exit 3").run({ check: false })).code, 3));
await check("a time limit", async () => {
  await failure(() => new Command("sleep", 60).run({ timeout: 50 }), TimeoutError);
});
await check("a time limit, synchronously", async () => {
  await failure(() => new Command("sleep", 60).runSync({ timeout: 50 }), TimeoutError);
});
await check("a signal that aborts by time", async () => {
  await failure(
    () => new Command("sleep", 60).run({ signal: AbortSignal.timeout(50) }),
    AbortError,
  );
});
await check("a signal that aborts", async () => {
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 50);
  await failure(() => new Command("sleep", 60).run({ signal: controller.signal }), AbortError);
});
await check("maxBuffer", async () => {
  await failure(() => new Command("yes").run({ maxBuffer: 1000 }), MaxBufferError);
});
await check("a missing program", async () => {
  await failure(() => new Command("no-such-program").run(), SpawnError, { code: "ENOENT" });
});
await check("a missing file", async () => {
  const fields = { code: "ENOENT", step: "exec", exitCode: 127 };
  await failure(() => new Command("/no/such/program").run(), SpawnError, fields);
  await failure(() => new Command("/no/such/program").runSync(), SpawnError, fields);
});
await check("cwd", async () => equal(await new Command("pwd").cwd("/").text(), "/\n"));
await check("a missing cwd", async () => {
  await failure(() => new Command("true").cwd("/no/such").run(), SpawnError, { step: "chdir" });
});
await check("the environment", async () => {
  equal(await sh('echo "$A"').env("A", "b").envPass("PATH").text(), "b\n");
});
await check("the inherited environment", async () => {
  equal(await sh('echo "$VIRCOMMAND_PACKAGE"').text(), `${env.VIRCOMMAND_PACKAGE}\n`);
});
await check("a file as output", async () => {
  const file = path.join(folder, "output");
  await sh("echo text").stdout({ file }).run();
  equal(fs.readFileSync(file, "utf8"), "text\n");
});
await check("pipes of a child", async () => {
  const child = await new Command("cat").stdin("pipe").stdout("pipe").spawn();
  const writer = child.stdin.getWriter();
  await writer.write("hello");
  await writer.close();
  equal(await new Response(child.stdout).text(), "hello");
  await child.wait();
});
await check("an abort", async () => {
  const child = await new Command("sleep", 60).spawn();
  await child.abort();
  equal((await child.wait({ check: false })).signal, "SIGTERM");
});
await check("a signal to a child", async () => {
  const child = await new Command("sleep", 60).spawn();
  equal(child.kill("SIGINT"), true);
  equal((await child.wait({ check: false })).signal, "SIGINT");
});
await check("many at once", async () => {
  const all = await Promise.all(
    Array.from({ length: 30 }, (_, i) => new Command("echo", i).text()),
  );
  equal(all, Array.from({ length: 30 }, (_, i) => `${i}\n`));
});
await check("umask and limits", async () => {
  equal(await sh("umask; ulimit -n").umask(0o27).maxFiles(200).text(), "0027\n200\n");
  equal(sh("umask; ulimit -n").umask(0o27).maxFiles(200).runSync().stdout, "0027\n200\n");
});
await check("a passed descriptor", async () => {
  const file = path.join(folder, "passed");
  fs.writeFileSync(file, "passed");
  const fd = fs.openSync(file, "r");
  try {
    equal(await sh("cat <&7").passFd(fd, { as: 7 }).text(), "passed");
  } finally {
    fs.closeSync(fd);
  }
});
await check("a hook, and a descriptor with a high number", async () => {
  const hook = path.join(folder, "hook.mjs");
  fs.writeFileSync(hook, "export default () => {};\n");
  const fd = fs.openSync(hook, "r");
  try {
    // The descriptor of `ls` itself is 3.
    const cmd = new Command("ls", "/proc/self/fd").passFd(fd, { as: 1000 }).preExec(hook);
    equal((await cmd.text({ timeout: 4000 })).split("\n").sort(), ["", "0", "1", "1000", "2", "3"]);
  } finally {
    fs.closeSync(fd);
  }
}, { optional: true });
await check("a buffer", async () => {
  const cmd = sh('cat "/dev/fd/$0"');
  equal(await cmd.arg(cmd.sendBuffer("buffer")).text(), "buffer");
});
await check("a handshake", async () => {
  const child = await new Command("true").handshake().spawn();
  await child.handshakeWait();
  await child.handshakeNotify();
  equal((await child.wait()).code, 0);
});
await check("a daemon with a pid file", async () => {
  const file = path.join(folder, "pid");
  const { daemonPid } = await new Command("sleep", 60).daemonize().pidFile(file).run();
  process.kill(daemonPid, "SIGKILL");
  equal(fs.readFileSync(file, "utf8"), String(daemonPid));
});
if (isRoot) {
  await check("another user", async () => {
    // Deno before 2.8 enters the current folder again, as that user.
    equal(await new Command("/usr/bin/id", "-u").user("nobody").cwd("/").text(), "65534\n");
    const sync = new Command("/usr/bin/id", "-u").uid(65534).gid(65534).cwd("/").runSync();
    equal(sync.stdout, "65534\n");
  });
} else {
  console.log("skip another user: needs root");
}
await check("a misuse", async () => {
  await failure(() => new Command("true").umask(-1).run(), UsageError);
});
await check("a dry run", async () => {
  // Not the form that lasts until it is disposed of: with it, Bun 1.3 crashes at its end.
  await dryRun(null, async (dry) => {
    equal((await new Command("rm", "-r", "/no/such").run()).code, 0);
    equal(dry.log.length, 1);
  });
});

fs.rmSync(folder, { recursive: true });
process.exit(failed === 0 ? 0 : 1);
