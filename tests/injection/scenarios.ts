/**
 * The scenarios of fault injection: each uses another part of the drivers, and looks at what came
 * of it. With a fault it may throw a CommandError instead; it must never leave anything behind, and
 * never give another result.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { AbortError, Command, type Result, SpawnError, syscalls, TimeoutError } from "../../mod.ts";
import { isRunning, killHard, until } from "../support/harness.ts";

/** What a scenario works with. */
export interface Place {
  /** A folder of its own. */
  readonly folder: string;
}

/** A scenario. */
export interface Scenario {
  readonly name: string;
  readonly run: (place: Place) => void | Promise<void>;
  /** It needs the rights of root. */
  readonly root?: boolean;
  /**
   * It starts what outlives the start. Whoever cannot read what that reports does not learn its
   * pid; but a pipe does not fail to be read, which elsewhere stands for a terminal.
   */
  readonly daemon?: boolean;
}

const hook = fileURLToPath(new URL("../support/hooks/tell.ts", import.meta.url));

/** All of them. */
export const SCENARIOS: readonly Scenario[] = [
  {
    name: "a plain run",
    async run() {
      await new Command("true").stdout("null").stderr("null").run();
    },
  },
  {
    name: "captured outputs",
    async run() {
      const { stdout, stderr } = await new Command("sh", "-c", "echo a; echo b >&2").run();
      assertEquals([stdout, stderr], ["a\n", "b\n"]);
    },
  },
  {
    name: "bytes as input",
    async run() {
      assertEquals(await new Command("cat").stdin("hello").text(), "hello");
    },
  },
  {
    name: "a megabyte through a program",
    async run() {
      const input = new Uint8Array(1_000_000).fill(7);
      const { stdoutBytes } = await new Command("cat").stdin(input).run();
      assertEquals(stdoutBytes.length, input.length);
    },
  },
  {
    name: "spawn with pipes",
    async run() {
      await using child = await new Command("cat").stdin("pipe").stdout("pipe").spawn();
      const read = new Response(child.stdout).text();
      // Whichever of the two fails first is the error of the scenario.
      read.catch(() => {});
      const writer = child.stdin.getWriter();
      writer.closed.catch(() => {});
      await writer.write("hello");
      await writer.close();
      assertEquals(await read, "hello");
      await child.wait();
    },
  },
  {
    name: "both outputs in one pipe",
    async run() {
      const cmd = new Command("sh", "-c", "echo a; echo b >&2; echo c").stderr("stdout");
      assertEquals(await cmd.text(), "a\nb\nc\n");
    },
  },
  {
    name: "files as input and output",
    async run({ folder }) {
      const [from, to] = [`${folder}/from`, `${folder}/to`];
      writeFileSync(from, "text");
      await new Command("cat").stdin({ file: from }).stdout({ file: to })
        .stderr({ file: to, append: true }).run();
      assertEquals(readFileSync(to, "utf8"), "text");
    },
  },
  {
    name: "descriptors passed on, one of them handed over",
    async run({ folder }) {
      const path = `${folder}/passed`;
      writeFileSync(path, "text");
      const [kept, given] = [openSync(path, "r"), openSync(path, "r")];
      try {
        const cmd = new Command("sh", "-c", "cat <&7; cat <&9").passFd(kept, { as: 9 })
          .passFd(given, { as: 7, closeParent: true });
        assertEquals(await cmd.text(), "texttext");
      } finally {
        closeSync(kept);
      }
    },
  },
  {
    name: "two send buffers",
    async run() {
      const cmd = new Command("sh");
      const one = cmd.sendBuffer(new TextEncoder().encode("one"));
      const two = cmd.sendBuffer(new Uint8Array(100_000).fill(97));
      cmd.args("-c", `cat <&${one}; cat <&${two} | wc -c`);
      assertEquals((await cmd.text()).replace(/\s+/g, ""), "one100000");
    },
  },
  {
    name: "limits, umask, folder and environment",
    async run() {
      const cmd = new Command("sh", "-c", "umask; pwd; ulimit -n; echo $A").env("A", "b")
        .umask(0o27).cwd("/").maxFiles(77).limit("core", 0, 0).arg0("sh");
      assertEquals(await cmd.text(), "0027\n/\n77\nb\n");
    },
  },
  {
    name: "another user with a capability",
    root: true,
    async run() {
      const cmd = new Command("grep", "-E", "^(Uid|CapEff|CapBnd)", "/proc/self/status")
        .uid(65534).gid(65534).clearCaps().allowCap("net_raw");
      const seen = (await cmd.text()).trim().split(/\s+/);
      const caps = "0000000000002000";
      const uid = Array<string>(4).fill("65534");
      assertEquals(seen, ["Uid:", ...uid, "CapEff:", caps, "CapBnd:", caps]);
    },
  },
  {
    name: "steps, priority, death with the parent",
    async run() {
      const cmd = new Command("grep", "NoNewPrivs", "/proc/self/status")
        .step(syscalls.prctl("PR_SET_NO_NEW_PRIVS", 1), syscalls.prctl("PR_SET_THP_DISABLE", 1))
        .step(syscalls.setpriority("PRIO_PROCESS", 0, 5));
      assertEquals((await cmd.text()).replace(/\s+/g, ""), "NoNewPrivs:1");
    },
  },
  {
    name: "a session of its own",
    async run() {
      const text = await new Command("cat", "/proc/self/stat").session().text();
      const [pid, , , , , session] = text.split(" ");
      assertEquals(session, pid);
    },
  },
  {
    name: "a daemon",
    daemon: true,
    run: () => asDaemon(() => new Command("sleep", 1000).daemonize().run()),
  },
  {
    name: "a daemon with a pid file",
    daemon: true,
    run: ({ folder }) =>
      asDaemon(
        () => new Command("sleep", 1000).daemonize().pidFile(`${folder}/pid`).run(),
        `${folder}/pid`,
      ),
  },
  {
    name: "a daemon with a pid file, synchronously",
    daemon: true,
    run: ({ folder }) =>
      asDaemon(
        () => new Command("sleep", 1000).daemonize().pidFile(`${folder}/pid`).runSync(),
        `${folder}/pid`,
      ),
  },
  {
    name: "a hook",
    async run({ folder }) {
      const path = `${folder}/told`;
      const cmd = new Command("cat", path).preExec(hook, { path });
      assertEquals(JSON.parse(await cmd.text()).argv[0], "cat");
    },
  },
  {
    name: "a daemon with a pid file and a hook",
    daemon: true,
    run: ({ folder }) =>
      asDaemon(
        () =>
          new Command("sleep", 1000).daemonize().pidFile(`${folder}/pid`).preExec(hook, {
            path: `${folder}/told`,
          }).run(),
        `${folder}/pid`,
      ),
  },
  {
    name: "a handshake",
    async run() {
      await using child = await new Command("sh", "-c", "exit 0").handshake().spawn();
      await child.handshakeWait();
      await child.handshakeNotify();
      await child.wait();
    },
  },
  {
    name: "a handshake that the parent gives up",
    async run({ folder }) {
      const path = `${folder}/made`;
      {
        await using child = await new Command("touch", path).handshake().spawn();
        await child.handshakeWait();
      }
      assert(!existsSync(path), "the program ran without a word");
    },
  },
  {
    name: "captured outputs, synchronously",
    run() {
      const { stdout, stderr } = new Command("sh", "-c", "cat; echo b >&2").stdin("a").runSync();
      assertEquals([stdout, stderr], ["a", "b\n"]);
    },
  },
  {
    name: "a time limit, synchronously",
    run() {
      let error: unknown;
      try {
        new Command("sh", "-c", "trap '' TERM; cat; while :; do sleep 0.01; done")
          .stdin("text").runSync({ timeout: 100, grace: 30 });
      } catch (thrown) {
        error = thrown;
      }
      if (!(error instanceof TimeoutError)) throw error ?? new Error("no time limit was kept");
      assertEquals(error.result.stdout, "text");
    },
  },
  {
    name: "lines that are left early",
    async run() {
      let count = 0;
      for await (const line of new Command("yes").lines()) {
        assertEquals(line, "y");
        if (++count === 3) break;
      }
      assertEquals(count, 3);
    },
  },
  {
    name: "a time limit and a program that ignores the first signal",
    async run() {
      const cmd = new Command("sh", "-c", "trap '' TERM; while :; do sleep 0.01; done");
      const error = await cmd.run({ timeout: 50, grace: 30 }).then(() => undefined, (e) => e);
      if (!(error instanceof TimeoutError)) throw error ?? new Error("no time limit was kept");
    },
  },
  {
    name: "a program that cannot be found",
    async run() {
      const error = await new Command("/no/such/program").run().then(() => undefined, (e) => e);
      // A fault may be what it fails for.
      if (!(error instanceof SpawnError)) throw error ?? new Error("there is no such program");
    },
  },
  {
    name: "a signal that ends the wait",
    async run() {
      const signal = AbortSignal.timeout(30);
      const error = await new Command("sleep", 1000).run({ signal }).then(
        () => undefined,
        (e) => e,
      );
      if (!(error instanceof AbortError)) throw error ?? new Error("nothing was ended");
    },
  },
  {
    name: "six children at once, ended in another order",
    async run() {
      const children = [];
      try {
        for (let i = 0; i < 6; i++) children.push(await new Command("sleep", 1000).spawn());
        for (const child of children.toReversed()) {
          assert(child.kill("SIGTERM"));
          assertEquals((await child.wait({ check: false })).signal, "SIGTERM");
        }
      } finally {
        for (const child of children) await child.abort();
      }
    },
  },
];

/** Runs a daemon, looks whether it is there, ends it. */
async function asDaemon(run: () => Result | Promise<Result>, pidFile?: string): Promise<void> {
  const { daemonPid } = await run();
  assert(daemonPid !== undefined);
  try {
    assert(isRunning(daemonPid), "the daemon does not run");
    if (pidFile !== undefined) assertEquals(Number(readFileSync(pidFile, "utf8")), daemonPid);
  } finally {
    killHard(daemonPid);
    await until(`${daemonPid} is gone`, () => !isRunning(daemonPid));
    // A daemon that was killed leaves its file, unlocked.
    if (pidFile !== undefined) rmSync(pidFile, { force: true });
  }
}
