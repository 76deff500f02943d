import { assert, assertEquals } from "@std/assert";
import { readFileSync } from "node:fs";
import process from "node:process";
import { Command } from "../../mod.ts";
import { conform } from "../support/harness.ts";
import { preparedProgram, programArgv } from "../support/runtime.ts";
import { parseStatus, statusSeen } from "../support/world.ts";

const NONE = "0000000000000000";

function expectClean(status: Record<string, string>): void {
  const { SigBlk, SigIgn, SigCgt, SigPnd, ShdPnd } = status;
  assertEquals([SigBlk, SigIgn, SigCgt, SigPnd, ShdPnd], [NONE, NONE, NONE, NONE, NONE]);
}

conform("no signal is blocked, ignored or caught in the child", async () => {
  expectClean(await statusSeen());
});

conform("no signal is blocked, ignored or caught in a child of runSync", () => {
  expectClean(parseStatus(new Command("cat", "/proc/self/status").runSync().stdout));
});

conform("handlers of the parent are gone in the child", async ({ defer }) => {
  const handler = () => {};
  process.on("SIGWINCH", handler);
  defer(() => process.off("SIGWINCH", handler));
  expectClean(await statusSeen());
});

conform("no handler of the parent is there in a child that has yet to execute", async (t) => {
  const handler = () => {};
  process.on("SIGWINCH", handler);
  t.defer(() => process.off("SIGWINCH", handler));
  const child = await new Command("true").handshake().spawn();
  t.defer(() => child[Symbol.asyncDispose]());
  await child.handshakeWait();
  expectClean(parseStatus(readFileSync(`/proc/${child.pid}/status`, "utf8")));
  await child.handshakeNotify();
  await child.wait();
});

conform(
  "signals that the parent was started with ignored are not ignored in the child",
  async () => {
    const cmd = preparedProgram(
      "trap '' USR1 PIPE INT TERM HUP QUIT ALRM WINCH TSTP RTMIN",
      programArgv("report", "cat", "/proc/self/status"),
    );
    expectClean(parseStatus(await cmd.text()));
  },
  { needs: ["bash"], skip: undefined },
);

conform(
  "signals that the parent was started with blocked are not blocked in the child",
  async () => {
    const argv = programArgv("report", "cat", "/proc/self/status");
    const cmd = Command.from(["env", "--block-signal=CHLD,USR1,PIPE,TERM,RTMIN", "--", ...argv]);
    expectClean(parseStatus(await cmd.text()));
  },
  { skip: blocksSignals() ? undefined : "this env(1) cannot block signals" },
);

conform(
  "children end as they do although the parent was started with SIGCHLD ignored",
  async () => {
    const cmd = Command.from(["env", "--ignore-signal=CHLD", "--", ...programArgv("ends")]);
    assertEquals(await cmd.text(), "3 3 3\n");
  },
  { skip: blocksSignals() ? undefined : "this env(1) cannot ignore signals" },
);

conform("the parent's own signal mask is as it was before", async () => {
  const blocked = () => parseStatus(readFileSync("/proc/thread-self/status", "utf8"))["SigBlk"];
  const before = blocked();
  for (let i = 0; i < 10; i++) await new Command("true").run();
  assertEquals(blocked(), before);
});

conform("a program that writes into a closed pipe gets SIGPIPE", async () => {
  const { stdout } = await new Command("sh", "-c", "yes | head -n 1; exit 0").run();
  assertEquals(stdout, "y\n");
});

conform("a signal sent while many children are started reaches the parent's handler", async (t) => {
  let received = 0;
  const handler = () => void received++;
  process.on("SIGWINCH", handler);
  t.defer(() => process.off("SIGWINCH", handler));
  const own = String(process.pid);
  for (let i = 0; i < 10; i++) {
    await new Command("sh", "-c", 'kill -WINCH "$0"', own).run();
  }
  await new Command("true").run();
  assert(received > 0);
});

function blocksSignals(): boolean {
  return new Command("env", "--block-signal=USR1", "true").runSync({ check: false }).code === 0;
}
