/**
 * The basic verbs, for kernels and processors on which there is no time for more.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { backendInfo, Command, ExitError, SpawnError, TimeoutError } from "../../mod.ts";
import { endLater } from "../support/daemons.ts";
import { failsToStart, failure, WAYS } from "../support/failures.ts";
import { conform } from "../support/harness.ts";
import { fdsSeen, parseStatus } from "../support/world.ts";

const sh = (script: string) => new Command("sh", "-c", script);

conform("the driver is the one that was asked for", () => {
  assertEquals(backendInfo().driver, process.env["VIRCOMMAND_DRIVER"]);
});

conform("run, runSync and lines return what a program prints", async () => {
  assertEquals(await new Command("echo", "a").text(), "a\n");
  assertEquals(new Command("echo", "a").runSync().stdout, "a\n");
  const seen: string[] = [];
  for await (const line of sh("echo a; echo b").lines()) seen.push(line);
  assertEquals(seen, ["a", "b"]);
});

conform("a big input goes through, both ways", async () => {
  const input = "a line of text\n".repeat(70_000);
  // A comparison by the value would take longer here than the run.
  assert((await new Command("cat").stdin(input).run()).stdout === input);
  assert(new Command("cat").stdin(input).runSync().stdout === input);
});

for (const [way, start] of Object.entries(WAYS)) {
  if (way === "spawn") continue;
  conform(`${way}: a bad end is an ExitError`, async () => {
    const error = await failure(ExitError, () => start(sh("echo why >&2; exit 3")));
    assertEquals([error.code, error.result.stderr], [3, "why\n"]);
  });

  conform(`${way}: a program that takes too long is killed`, async () => {
    const limited = () => start(new Command("sleep", 1000), { timeout: 100 });
    const { signal } = await failure(TimeoutError, limited);
    assertEquals(signal, "SIGTERM");
  });
}

conform("a program that is missing is a SpawnError of step exec", async () => {
  await failsToStart(() => new Command("/no/such/program"), {
    step: "exec",
    syscall: "execve",
    code: "ENOENT",
    errno: 2,
    path: "/no/such/program",
    exitCode: 127,
  });
});

conform("a bare name that is nowhere in PATH is a SpawnError", async () => {
  const { code } = await failure(SpawnError, () => new Command("no_such_program").run());
  assertEquals(code, "ENOENT");
});

conform("a child has three descriptors and no other", async () => {
  assertEquals([...(await fdsSeen()).keys()], [0, 1, 2]);
});

conform("another user, with groups and one capability", async () => {
  const cmd = new Command("cat", "/proc/self/status").uid(65534).gid(65533).groups([7]);
  const seen = parseStatus((await cmd.clearCaps().allowCap("net_raw").run()).stdout);
  assertMatch(seen["Uid"] ?? "", /^65534\s+65534\s+65534\s+65534$/);
  assertMatch(seen["Gid"] ?? "", /^65533\s+65533\s+65533\s+65533$/);
  assertEquals([seen["Groups"], seen["CapEff"]], ["7", "0000000000002000"]);
}, { root: true });

conform("umask, folder, session, limits and scheduling are the child's", async () => {
  const cmd = sh("umask; pwd; ulimit -n; cat /proc/self/stat; cat /proc/self/oom_score_adj")
    .umask(0o27).cwd("/usr").maxFiles(200).session().nice(5).oomScoreAdj(700);
  const [umask, cwd, files, stat = "", score] = (await cmd.text()).split("\n");
  assertEquals([umask, cwd, files, score], ["0027", "/usr", "200", "700"]);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  assertEquals(fields[16], "5");
});

conform("a handshake holds the program back", async (t) => {
  const path = join(t.folder(), "made");
  await using child = await new Command("touch", path).handshake().spawn();
  await child.handshakeWait();
  assert(!existsSync(path));
  await child.handshakeNotify();
  await child.wait();
  assert(existsSync(path));
});

conform("a daemon runs on, and is in its pid file", async (t) => {
  const path = join(t.folder(), "pid");
  const cmd = new Command("sleep", 1000).daemonize().pidFile(path);
  const { daemonPid } = endLater(t.defer, await cmd.run());
  assertEquals(readFileSync(path, "utf8"), String(daemonPid));
});

conform("many at a time, each with its own end", async () => {
  const codes = Array.from({ length: 20 }, (_, code) => code);
  const runs = codes.map((code) => sh(`exit ${code}`).run({ check: false }));
  assertEquals((await Promise.all(runs)).map((result) => result.code), codes);
});
