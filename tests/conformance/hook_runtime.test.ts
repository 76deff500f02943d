import { assertEquals, assertStringIncludes } from "@std/assert";
import { existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { Child, Command, SpawnError, UsageError } from "../../mod.ts";
// @ts-types="../../scripts/runtimes.d.mts"
import { runtimes } from "../../scripts/runtimes.mjs";
import { failure, WAYS } from "../support/failures.ts";
import { conform, type Context } from "../support/harness.ts";

/** A hook that notes its runtime. It is JavaScript, which every release of Node understands. */
function notingHook(t: Context): { module: string; note: string } {
  const [module, note] = [join(t.folder(), "hook.mjs"), join(t.folder(), "note")];
  writeFileSync(
    module,
    `import { writeFileSync } from "node:fs";
    export default ({ note }, { pid }) => {
      const name = "Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : "node";
      writeFileSync(note, JSON.stringify([name, pid === process.pid, process.execPath]));
    };`,
  );
  return { module, note };
}

const RUNTIMES = {
  deno: runtimes.deno.binary,
  bun: runtimes.bun.binary,
  "node with FFI": runtimes.node26.binary,
  "node without FFI": runtimes.node24.binary,
};

for (const [name, runtime] of Object.entries(RUNTIMES)) {
  for (const [way, start] of Object.entries(WAYS)) {
    conform(`${way}: a hook runs in the runtime that is named: ${name}`, async (t) => {
      const { module, note } = notingHook(t);
      const output = join(t.folder(), "output");
      const cmd = new Command("sh", "-c", 'echo "$$"; cat').stdin("input").stdout({ file: output })
        .preExec(module, { note }, { runtime });
      const started = await start(cmd);
      if (started instanceof Child) await started.wait();
      const [kind, samePid, path] = JSON.parse(readFileSync(note, "utf8"));
      assertEquals([kind, samePid, path], [name.split(" ")[0], true, runtime]);
      assertStringIncludes(readFileSync(output, "utf8"), "\ninput");
    });
  }
}

conform(
  "without FFI, a hook's runtime keeps descriptors, but not the lock of a pid file",
  async (t) => {
    const { module, note } = notingHook(t);
    const runtime = RUNTIMES["node without FFI"];
    const cmd = new Command("sh", "-c", 'cat "/dev/fd/$0"');
    const fd = cmd.sendBuffer("buffer");
    assertEquals(await cmd.arg(fd).preExec(module, { note }, { runtime }).text(), "buffer");
    const locked = new Command("true").daemonize().pidFile(join(t.folder(), "pid"))
      .preExec(module, { note }, { runtime });
    const error = await failure(SpawnError, () => locked.run());
    assertEquals(error.step, "preExec");
    assertStringIncludes(error.message, "pid file");
  },
);

conform("VIRCOMMAND_RUNTIME names the runtime for all hooks", async (t) => {
  const { module, note } = notingHook(t);
  process.env["VIRCOMMAND_RUNTIME"] = runtimes.bun.binary;
  t.defer(() => delete process.env["VIRCOMMAND_RUNTIME"]);
  await new Command("true").preExec(module, { note }).run();
  assertEquals(JSON.parse(readFileSync(note, "utf8"))[0], "bun");
  // What one command says counts more.
  await new Command("true").preExec(module, { note }, { runtime: runtimes.deno.binary }).run();
  assertEquals(JSON.parse(readFileSync(note, "utf8"))[0], "deno");
  for (const value of ["bun", "/usr/bin/application"]) {
    process.env["VIRCOMMAND_RUNTIME"] = value;
    const touched = join(t.folder(), "touched");
    const error = await new Command("touch", touched).preExec(module, { note }).run()
      .catch((error) => error);
    assertEquals([error.name, existsSync(touched)], ["UnsupportedError", false]);
  }
}, { features: ["preExec"] });

conform("a runtime that is not there is a SpawnError of step preExec", async (t) => {
  const { module, note } = notingHook(t);
  const runtime = "/no/such/node";
  const cmd = new Command("true").preExec(module, { note }, { runtime });
  const error = await failure(SpawnError, () => cmd.run());
  assertEquals([error.step, error.code, error.path], ["preExec", "ENOENT", runtime]);
});

conform("a runtime's name tells which one it is", async (t) => {
  const { module, note } = notingHook(t);
  const link = join(t.folder(), "bun-canary");
  symlinkSync(runtimes.bun.binary, link);
  await new Command("true").preExec(module, { note }, { runtime: link }).run();
  assertEquals(JSON.parse(readFileSync(note, "utf8"))[0], "bun");
  for (const runtime of ["node", "/usr/bin/application", "", "/bin/no\0de", 7, null]) {
    const cmd = new Command("true").preExec(module, {}, { runtime } as { runtime: string });
    assertEquals(cmd.error?.constructor, UsageError, String(runtime));
  }
  const options = null as unknown as { runtime: string };
  assertEquals(new Command("true").preExec(module, {}, options).error?.constructor, UsageError);
});
