import { assert, assertEquals } from "@std/assert";
import { closeSync, constants, openSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { backendInfo, type Child, Command } from "../../mod.ts";
import { conform } from "../support/harness.ts";
import { program } from "../support/runtime.ts";
import { parseFds } from "../support/world.ts";

const { O_NONBLOCK, O_RDONLY, O_RDWR } = constants;
const { runtime, driver, features } = backendInfo();
const O_CLOEXEC = 0o2000000;

function flagsIn(fdinfo: string): number[] {
  return [...fdinfo.matchAll(/^flags:\s*(\d+)/gm)].map(([, flags = ""]) => parseInt(flags, 8));
}

/** The open descriptors of this process with their targets, and whether each is closed on exec. */
function descriptors(): Map<string, boolean> {
  const all = new Map<string, boolean>();
  for (const fd of readdirSync("/proc/self/fd")) {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      const [flags = 0] = flagsIn(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"));
      if (!target.startsWith("/proc/")) all.set(`${fd} → ${target}`, (flags & O_CLOEXEC) !== 0);
    } catch {
      // The descriptor through which the folder was read.
    }
  }
  return all;
}

/** Commands that keep something open while they run. */
const KINDS: Record<string, () => Promise<Child>> = {
  "pipes": () => new Command("cat").stdin("pipe").stdout("pipe").stderr("pipe").spawn(),
  "one pipe for both outputs": () =>
    new Command("cat").stdin("pipe").stdout("pipe").stderr("stdout").spawn(),
  "a handshake": async () => {
    const child = await new Command("true").handshake().spawn();
    await child.handshakeWait();
    return child;
  },
  "a send buffer": () => {
    const cmd = new Command("sleep", 100);
    cmd.sendBuffer("x".repeat(200_000));
    return cmd.spawn();
  },
};

for (const [kind, start] of Object.entries(KINDS)) {
  conform(`what is open for ${kind} is closed on exec`, async () => {
    const before = descriptors();
    const children: Child[] = [];
    try {
      // More than a few: the older ones are watched in another way.
      for (let i = 0; i < 8; i++) children.push(await start());
      const opened = [...descriptors()].filter(([name]) => !before.has(name));
      assertEquals(opened.filter(([, closes]) => !closes), []);
      assert(opened.length >= 8);
    } finally {
      for (const child of children) await child[Symbol.asyncDispose]();
    }
  });
}

conform("a program that replaces this process inherits its standard streams alone", async (t) => {
  const { stdout } = await program("leftovers", t.folder()).stdin("x").run();
  assertEquals([...parseFds(stdout).keys()].sort(), [0, 1, 2]);
}, { features: ["exec"] });

/** The flags of descriptors as a child has them. */
const SHOW = 'cat /proc/$$/fdinfo/0 /proc/$$/fdinfo/1 /proc/$$/fdinfo/2 > "$0"';

const isNonblocking = (flags: number) => (flags & O_NONBLOCK) !== 0;

for (const way of ["run", "runSync"] as const) {
  conform(`${way}: the pipes of a child are blocking, whatever our ends are`, async (t) => {
    const report = join(t.folder(), "report");
    const cmd = new Command("sh", "-c", SHOW, report).stdin("x");
    if (features["sendBuffer"]) {
      const fd = cmd.sendBuffer("y");
      cmd.arg(fd);
    }
    await cmd[way]();
    const seen = flagsIn(readFileSync(report, "utf8"));
    assertEquals(seen.map(isNonblocking), [false, false, false]);
  }, { skip: driver === "portable" ? "sockets of the runtime" : undefined });

  conform(
    `${way}: a FIFO as a file is opened without waiting, and waits in the child`,
    async (t) => {
      const [report, fifo] = [join(t.folder(), "report"), join(t.folder(), "fifo")];
      await new Command("mkfifo", fifo).run();
      // Somebody is there on both sides, for as long as this test lasts.
      const both = openSync(fifo, O_RDWR | O_NONBLOCK);
      t.defer(() => closeSync(both));
      const cmd = () => new Command("sh", "-c", SHOW, report);
      for (const file of [{ file: fifo }, { file: fifo, append: true }]) {
        await cmd().stdout(file).stderr(file)[way]();
        const [, out = -1, err = -1] = flagsIn(readFileSync(report, "utf8"));
        assertEquals([out, err].map(isNonblocking), [false, false]);
      }
      if (driver === "portable") return;
      await cmd().stdin({ file: fifo })[way]();
      const [input = -1] = flagsIn(readFileSync(report, "utf8"));
      assertEquals(isNonblocking(input), false);
      assertEquals(input & O_RDWR, O_RDONLY);
    },
    {
      skip: way === "runSync" && driver === "portable" && runtime === "deno"
        ? "Deno's own runSync takes no descriptors"
        : undefined,
    },
  );
}
