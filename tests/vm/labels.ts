/**
 * What holds for the labels of both security modules, on a kernel that enforces them.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { backendInfo, Command, ExitError, SpawnError } from "../../mod.ts";
import { endDaemon, endLater } from "../support/daemons.ts";
import { failsToStart, failure, thrown, WAYS } from "../support/failures.ts";
import { conform, isRunning, until } from "../support/harness.ts";
import { program } from "../support/runtime.ts";
import { noteSeen } from "../support/seen.ts";

/** What a security module has prepared for the tests. */
export interface Prepared {
  readonly module: "apparmor" | "selinux";
  /** Adds a label to a command. */
  readonly set: (cmd: Command, label: string) => Command;
  /** A label that forbids to read /tmp/secret/file. */
  readonly label: string;
  /** The label in /proc/PID/attr/current. */
  readonly shown: string;
  /** A label that there is not, and how that is refused. */
  readonly unknown: string;
  readonly code: string;
  readonly errno: number;
  readonly message: string;
  /** A label from which no other can be reached, and how that is refused. */
  readonly poor: string;
  readonly poorMessage: string;
}

const CURRENT = "/proc/self/attr/current";

const label = () => new Command("cat", CURRENT);
const sh = (script: string) => new Command("sh", "-c", script);
const labelOf = (pid: number) => readFileSync(`/proc/${pid}/attr/current`, "utf8");

/** Registers the tests. */
export function testLabels(prepared: Prepared): void {
  const { module, shown, unknown } = prepared;
  const set = (cmd: Command) => prepared.set(cmd, prepared.label);
  const wrong = (cmd: Command) => prepared.set(cmd, unknown);
  const feature = module === "apparmor" ? "apparmorProfile" : "selinuxLabel";

  conform("the driver is the one that was asked for, and has the feature", () => {
    const { driver, features } = backendInfo();
    assertEquals([driver, features[feature]], [process.env["VIRCOMMAND_DRIVER"], true]);
  });

  conform("run and runSync: the program has the label, and the next one has not", async () => {
    const own = readFileSync(CURRENT, "utf8");
    assertEquals((await set(label()).run()).stdout, shown);
    assertEquals((await label().run()).stdout, own);
    assertEquals(set(label()).runSync().stdout, shown);
    assertEquals(label().runSync().stdout, own);
    assertEquals(readFileSync(CURRENT, "utf8"), own);
    assert(own !== shown);
    noteSeen(feature, "works");
  });

  conform("spawn: the parent sees the label as soon as the program runs", async (t) => {
    const child = await set(new Command("sleep", 1000)).spawn();
    t.defer(() => child[Symbol.asyncDispose]());
    await until("the child has its label", () => labelOf(child.pid) === shown);
  });

  conform("what the label forbids is denied, and allowed without", async () => {
    const cat = () => new Command("cat", "/tmp/secret/file");
    assertEquals((await cat().run()).stdout, "secret\n");
    assertEquals(cat().runSync().stdout, "secret\n");
    for (const start of [WAYS["run"], WAYS["runSync"]]) {
      const error = await failure(ExitError, () => start?.(set(cat())));
      assertEquals([error.code, error.result.stdout], [1, ""]);
      assertStringIncludes(error.stderr, "Permission denied");
    }
  });

  conform("an unknown label is a SpawnError that says so, and nothing runs", async (t) => {
    const path = join(t.folder(), "made");
    const { code, errno } = prepared;
    const error = await failsToStart(() => wrong(new Command("touch", path)), {
      step: module,
      syscall: "write",
      code,
      errno,
      path: undefined,
      exitCode: 125,
    });
    assertStringIncludes(error.message, prepared.message);
    assertStringIncludes(error.message, unknown);
    assert(!existsSync(path));
  });

  conform("an unknown label: no daemon is started", async (t) => {
    const path = join(t.folder(), "pid");
    const cmd = () => wrong(new Command("sleep", 1000).daemonize().pidFile(path));
    for (const start of [WAYS["run"], WAYS["runSync"]]) {
      const error = await failure(SpawnError, () => start?.(cmd()));
      assertEquals([error.step, error.code], [module, prepared.code]);
      // The next daemon gets the file: nobody holds its lock.
      const { daemonPid } = await new Command("sleep", 1000).daemonize().pidFile(path).run();
      await endDaemon(daemonPid ?? 0);
    }
  });

  conform("a daemon has the label, and is in its pid file", async (t) => {
    for (const way of ["run", "runSync"] as const) {
      const path = join(t.folder(), "pid");
      const cmd = set(new Command("sleep", 1000).daemonize().pidFile(path));
      const { daemonPid } = endLater(t.defer, await cmd[way]());
      await until("the daemon has its label", () => labelOf(daemonPid) === shown);
      assertEquals(readFileSync(path, "utf8"), String(daemonPid));
    }
  });

  conform("a handshake: the label comes with the program", async () => {
    const own = readFileSync(CURRENT, "utf8");
    await using child = await set(label()).handshake().stdout("pipe").spawn();
    await child.handshakeWait();
    assertEquals(labelOf(child.pid), own);
    await child.handshakeNotify();
    assertEquals(await new Response(child.stdout).text(), shown);
    await child.wait();
  });

  conform("another user has the label", async () => {
    const ids = () =>
      sh(`cat ${CURRENT}; echo; id -u; id -g; id -G; grep CapEff /proc/self/status`);
    const cmd = () => set(ids().uid(65534).gid(65533).groups([7]).clearCaps().allowCap("net_raw"));
    const caps = "CapEff:\t0000000000002000\n";
    const wanted = `${shown}\n65534\n65533\n65533 7\n${caps}`;
    assertEquals((await cmd().run()).stdout, wanted);
    assertEquals(cmd().runSync().stdout, wanted);
  }, { root: true });

  conform("a daemon of another user has the label", async (t) => {
    const cmd = set(new Command("sleep", 1000).daemonize().uid(65534).gid(65534).groups([]));
    const { daemonPid } = endLater(t.defer, await cmd.run());
    await until("the daemon has its label", () => labelOf(daemonPid) === shown);
    assertEquals(
      /^Uid:\t(\d+)/m.exec(readFileSync(`/proc/${daemonPid}/status`, "utf8"))?.[1],
      "65534",
    );
  }, { root: true });

  conform("umask, limits, session and folder are the child's as well", async () => {
    const cmd = set(sh(`cat ${CURRENT}; echo; umask; pwd; ulimit -n`));
    const { stdout } = await cmd.umask(0o27).maxFiles(200).session().cwd("/usr").run();
    assertEquals(stdout, `${shown}\n0027\n/usr\n200\n`);
  });

  conform("a hook runs with the parent's label, the program with its own", async (t) => {
    const folder = t.folder();
    const hook = join(folder, "hook.mjs");
    const seen = join(folder, "seen");
    writeFileSync(
      hook,
      `import { readFileSync, writeFileSync } from "node:fs";
      export default (path) => writeFileSync(path, readFileSync("${CURRENT}"));`,
    );
    assertEquals((await set(label().preExec(hook, seen)).run()).stdout, shown);
    assertEquals(readFileSync(seen, "utf8"), readFileSync(CURRENT, "utf8"));
    const error = await failure(SpawnError, () => wrong(label().preExec(hook, seen)).run());
    assertEquals([error.step, error.code], [module, prepared.code]);
  }, { features: ["preExec"], timeoutMs: 60_000 });

  conform("a program that is missing is still that", async () => {
    for (const start of Object.values(WAYS)) {
      const error = await failure(SpawnError, () => start(set(new Command("/no/such/program"))));
      assertEquals([error.step, error.code, error.exitCode], ["exec", "ENOENT", 127]);
    }
  });

  conform(
    "exec: the process becomes a program with the label, beside a descriptor 3",
    async (t) => {
      const path = join(t.folder(), "three");
      const fd = openSync(path, "w+");
      t.defer(() => closeSync(fd));
      const become = (which: string) =>
        program("label", module, which, "exec", "cat", CURRENT).passFd(fd, { as: 3 });
      assertEquals((await become(prepared.label).run()).stdout, shown);
      // The process is another program already when the label is refused.
      const refused = await become(unknown).run({ check: false });
      assertEquals([refused.code, refused.stdout], [125, ""]);
      assertStringIncludes(refused.stderr, `step ${module}`);
      assertStringIncludes(refused.stderr, `${prepared.code}: the label `);
      assertStringIncludes(refused.stderr, prepared.message);
      // Nothing was written to the descriptor that is no attribute file.
      assertEquals(readFileSync(path, "utf8"), "");
    },
    { features: ["exec"], timeoutMs: 60_000 },
  );

  conform("a process that may not choose labels is refused, and goes on", async () => {
    const cmd = program("label", module, prepared.label, "run", "cat", CURRENT);
    const { stdout } = await prepared.set(cmd, prepared.poor).run();
    const { name, step, code, message } = JSON.parse(stdout);
    assertEquals([name, step, code], ["SpawnError", module, "EACCES"]);
    assertStringIncludes(message, prepared.poorMessage);
  }, { timeoutMs: 60_000 });

  conform("a label and dieWithParent cannot be had together", async () => {
    const error = await thrown(() => set(label().dieWithParent()).run());
    assertEquals((error as Error).name, "UnsupportedError");
    assert(isRunning(process.pid));
  }, { features: ["dieWithParent"] });
}
