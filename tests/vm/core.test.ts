/**
 * On a kernel with core scheduling, and processors with two threads.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { type Child, Command, SpawnError } from "../../mod.ts";
import { endLater } from "../support/daemons.ts";
import { failure } from "../support/failures.ts";
import { conform, type Context } from "../support/harness.ts";

/** Prints the cookie of each process: prctl(2) PR_SCHED_CORE, PR_SCHED_CORE_GET, on x86-64. */
const COOKIE = `foreach my $pid (@ARGV) {
  my $cookie = pack("Q", 0);
  syscall(157, 62, 0, int($pid), 0, $cookie) == 0 or die "prctl: $!";
  printf("%x\\n", unpack("Q", $cookie));
}`;

/** The cookies of processes; 0 is none. */
function cookies(...pids: number[]): string[] {
  return new Command("perl", "-e", COOKIE, ...pids).runSync().stdout.trim().split("\n");
}

/** A program that prints its own cookie. */
const own = () => new Command("sh", "-c", 'exec perl -e "$0" $$', COOKIE);

const sleeper = () => new Command("sleep", 1000);

async function started(t: Context, cmd: Command): Promise<Child> {
  const child = await cmd.spawn();
  t.defer(() => child[Symbol.asyncDispose]());
  return child;
}

conform("runAlone: a cookie of its own, and none for the parent or the next child", async (t) => {
  const [a, b, plain] = [
    await started(t, sleeper().runAlone()),
    await started(t, sleeper().runAlone()),
    await started(t, sleeper()),
  ];
  const [first, second, ...none] = cookies(a.pid, b.pid, plain.pid, process.pid);
  assertEquals(none, ["0", "0"]);
  assert(first !== "0" && second !== "0");
  assertNotEquals(first, second);
});

conform("runAmong takes over the cookie of another process, or its having none", async (t) => {
  const alone = await started(t, sleeper().runAlone());
  const among = await started(t, sleeper().runAmong(alone.pid));
  const [cookie, same] = cookies(alone.pid, among.pid);
  assertNotEquals(cookie, "0");
  assertEquals(same, cookie);
  assertEquals(own().runAmong(alone.pid).runSync().stdout, `${cookie}\n`);
  const plain = await started(t, sleeper());
  assertEquals(await own().runAmong(plain.pid).text(), "0\n");
});

conform("runSync, a daemon and a hook: the program has the cookie", async (t) => {
  assertMatch(own().runAlone().runSync().stdout, /^[1-9a-f][0-9a-f]*\n$/);
  const daemon = await sleeper().daemonize().runAlone().run();
  const { daemonPid } = endLater(t.defer, daemon);
  assertNotEquals(cookies(daemonPid), ["0"]);
  const hook = join(t.folder(), "hook.mjs");
  writeFileSync(hook, "export default () => {};");
  assertMatch(await own().runAlone().preExec(hook).text(), /^[1-9a-f][0-9a-f]*\n$/);
}, { timeoutMs: 60_000, features: ["preExec", "daemonize"] });

conform("the cookie is there when the handshake is, and stays", async (t) => {
  const child = await started(t, sleeper().handshake().runAlone());
  await child.handshakeWait();
  const before = cookies(child.pid);
  await child.handshakeNotify();
  assertNotEquals(before, ["0"]);
  assertEquals(cookies(child.pid), before);
});

conform("another user has the cookie", async (t) => {
  const drop = (cmd: Command) => cmd.uid(65534).gid(65534).groups([]);
  assertMatch(await drop(own().runAlone()).text(), /^[1-9a-f][0-9a-f]*\n$/);
  const alone = await started(t, sleeper().runAlone());
  assertEquals(await drop(own().runAmong(alone.pid)).text(), `${cookies(alone.pid)[0]}\n`);
}, { root: true });

conform("runAmong a process that is not there is ESRCH", async () => {
  const error = await failure(SpawnError, () => new Command("true").runAmong(0x3f_ffff).run());
  assertEquals([error.step, error.code, error.exitCode], ["coreSched", "ESRCH", 125]);
});
