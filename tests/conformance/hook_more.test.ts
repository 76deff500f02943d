import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Command, SpawnError } from "../../mod.ts";
import { failure, WAYS } from "../support/failures.ts";
import { conform } from "../support/harness.ts";
import { noNativeParts } from "../support/native.ts";
import { parseStatus } from "../support/world.ts";

const hook = (name: string) => new URL(`../support/hooks/${name}.ts`, import.meta.url);

for (const [way, start] of Object.entries(WAYS)) {
  conform(`${way}: an asynchronous hook that rejects is a SpawnError`, async (t) => {
    const touched = join(t.folder(), "touched");
    const cmd = new Command("touch", touched).preExec(hook("reject"));
    const error = await failure(SpawnError, () => start(cmd));
    assertEquals(error.step, "preExec");
    assertStringIncludes(error.message, "rejected later");
    assert(!existsSync(touched));
  });
}

conform("what a hook ignores is not ignored in the program", async () => {
  const cmd = new Command("cat", "/proc/self/status").preExec(hook("ignore"), [12, 40]);
  assertEquals(parseStatus(await cmd.text())["SigIgn"], "0000000000000000");
}, { skip: noNativeParts() });

conform("a hook is told of a passed descriptor", async (t) => {
  const path = join(t.folder(), "told");
  const cmd = new Command("true");
  const fd = cmd.sendBuffer("buffer");
  await cmd.preExec(hook("tell"), { path }).run();
  assertEquals(JSON.parse(readFileSync(path, "utf8")).fds, [0, 1, 2, fd]);
});
