// The built npm package on the Node that runs this, Node 20 in the least. Plain JavaScript: there
// is nothing that strips types yet.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { isMainThread, Worker } from "node:worker_threads";

const {
  backendInfo,
  Command,
  dryRun,
  ExitError,
  SpawnError,
  TimeoutError,
  UnsupportedError,
} = await import(process.env.VIRCOMMAND_PACKAGE ?? "vircommand");

test("the package describes itself", () => {
  const url = new URL("package.json", process.env.VIRCOMMAND_PACKAGE);
  const { name, exports, dependencies } = JSON.parse(readFileSync(url, "utf8"));
  assert.equal(name, "vircommand");
  assert.equal(exports["."].types, "./mod.d.ts");
  assert.equal(dependencies, undefined);
});

test("require() loads the package, for all of a process the same copy where Node can", async () => {
  const require = createRequire(new URL("package.json", process.env.VIRCOMMAND_PACKAGE));
  const library = require("vircommand");
  assert.equal(new library.Command("echo", "a").runSync().stdout, "a\n");
  if (process.features.require_module) assert.equal(library.Command, Command);
  const old = require(fileURLToPath(new URL("cjs/mod.js", process.env.VIRCOMMAND_PACKAGE)));
  assert.equal(await new old.Command("echo", "b").text(), "b\n");
});

test("a driver is chosen, and says why", () => {
  const { runtime, driver, version, reason } = backendInfo();
  assert.equal(runtime, "node");
  assert.equal(version, process.versions.node);
  if (process.platform === "linux") assert.notEqual(driver, "portable", reason);
});

for (const driver of ["launcher", "portable"]) {
  test(`${driver}: output, input, environment, folder`, async () => {
    const cmd = new Command("sh", "-c", 'cat; echo " $A $(pwd)"').env("A", "b").envPass("PATH")
      .cwd("/").stdin("in");
    assert.equal((await cmd.run({ driver })).stdout, "in b /\n");
    assert.equal(cmd.runSync({ driver }).stdout, "in b /\n");
  });

  test(`${driver}: failures say what went wrong`, async () => {
    const missing = new Command("/no/such/program");
    await assert.rejects(
      missing.run({ driver }),
      (error) => error instanceof SpawnError && error.step === "exec" && error.code === "ENOENT",
    );
    await assert.rejects(new Command("true").cwd("/no/such").run({ driver }), { step: "chdir" });
    await assert.rejects(new Command("false").run({ driver }), ExitError);
    await assert.rejects(new Command("sleep", 9).run({ driver, timeout: 20 }), TimeoutError);
    assert.throws(() => missing.runSync({ driver }), SpawnError);
  });
}

test("umask, limits, handshake and a daemon work without FFI", async () => {
  const driver = "launcher";
  const script = "umask; ulimit -c";
  const cmd = new Command("sh", "-c", script).umask(0o27).maxCoreSize(0);
  assert.equal((await cmd.run({ driver })).stdout, "0027\n0\n");
  const child = await new Command("true").handshake().spawn({ driver });
  await child.handshakeWait();
  await child.handshakeNotify();
  assert.equal((await child.wait()).code, 0);
  const { daemonPid } = await new Command("sleep", 1000).daemonize().run({ driver });
  process.kill(daemonPid);
});

test("what the portable driver lacks is refused, and named", async () => {
  const error = await new Command("true").umask(0o22).run({ driver: "portable" }).catch((e) => e);
  assert.ok(error instanceof UnsupportedError);
  assert.deepEqual([error.feature, error.driver], ["umask", "portable"]);
});

test("lines and dry runs", async () => {
  const lines = [];
  for await (const line of new Command("printf", "a\\nb\\n").lines()) lines.push(line);
  assert.deepEqual(lines, ["a", "b"]);
  assert.equal(await dryRun(() => ({ stdout: "dry" }), () => new Command("x").text()), "dry");
});

test("a worker thread starts programs too", { skip: !isMainThread }, async () => {
  const url = process.env.VIRCOMMAND_PACKAGE;
  const code = `
    import { parentPort } from "node:worker_threads";
    const { Command, backendInfo } = await import(${JSON.stringify(url)});
    const text = await new Command("echo", "from a worker").text();
    parentPort.postMessage(text + backendInfo().driver);
  `;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`));
  const message = await new Promise((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  assert.equal(message, "from a worker\nlauncher");
  await worker.terminate();
});
