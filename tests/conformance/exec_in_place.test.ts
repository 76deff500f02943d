import { assert, assertEquals } from "@std/assert";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { conform } from "../support/harness.ts";
import { program } from "../support/runtime.ts";

const needs = { features: ["exec"] };

conform(
  "exec replaces the process: same pid, chosen argv, environment, umask, folder",
  async () => {
    const { stdout, pid } = await program("exec", "become").stdin("input\n").run();
    assertEquals(stdout.split("\n"), [
      String(pid),
      String(pid),
      "renamed b",
      "0027",
      "/",
      "input",
      "",
    ]);
  },
  needs,
);

conform("a passed descriptor is there under its number", async (t) => {
  const path = join(t.folder(), "file");
  writeFileSync(path, "content\n");
  const lines = (await program("exec", "fds", path).text()).split("\n");
  assertEquals(lines[1], "content");
  assert(lines.includes("9"), lines.join(" "));
}, { features: ["exec", "exec with passFd"] });

for (
  const [what, expected] of [
    ["missing", "SpawnError exec ENOENT"],
    ["chdir", "SpawnError chdir ENOENT"],
    ["capture", "UsageError"],
    ["daemon", "UsageError"],
  ] as const
) {
  conform(`a process that could not become another one lives on: ${what}`, async () => {
    const { stdout, pid } = await program("exec", what).run();
    assertEquals(stdout, `${pid}\n${expected} true after\n`);
  }, needs);
}

conform("a file that the kernel refuses is found out by the exec itself", async (t) => {
  const path = join(t.folder(), "program");
  writeFileSync(path, "no program\n", { mode: 0o755 });
  const { stdout, pid } = await program("exec", "missing", path).run();
  assertEquals(stdout, `${pid}\nSpawnError exec ENOEXEC true after\n`);
}, needs);
