import { assert, assertEquals, assertMatch } from "@std/assert";
import { Command, SpawnError, syscalls, UsageError } from "../../mod.ts";
import { failsToStart, failure } from "../support/failures.ts";
import { conform } from "../support/harness.ts";

/** prctl(2) PR_SCHED_CORE by hand: what the kernel answers here, 0 if it does as it is told. */
async function answer(operation: number, pid: number, type: number): Promise<number> {
  const call = syscalls.prctl("PR_SCHED_CORE", operation, pid, type, 0);
  try {
    await new Command("true").step(call).run();
    return 0;
  } catch (error) {
    if (error instanceof SpawnError && error.step === "step") return error.errno;
    throw error;
  }
}

const [CREATE, SHARE_FROM] = [1, 3];
const [PIDTYPE_PID, PIDTYPE_TGID] = [0, 1];

/** CONFIG_SCHED_CORE and SMT are not everywhere: the command succeeds or fails as the call does. */
async function expectAnswer(make: () => Command, errno: number): Promise<void> {
  if (errno === 0) {
    assertEquals((await make().run()).code, 0);
    assertEquals(make().runSync().code, 0);
    return;
  }
  const { code } = await failure(SpawnError, () => make().run());
  const syscall = "prctl";
  await failsToStart(make, {
    step: "coreSched",
    syscall,
    code,
    errno,
    path: undefined,
    exitCode: 125,
  });
}

conform("runAlone takes a new cookie, or says that the kernel refused", async () => {
  await expectAnswer(() => new Command("true").runAlone(), await answer(CREATE, 0, PIDTYPE_TGID));
});

conform("runAmong takes the cookie of another process, or says that it was refused", async (t) => {
  const other = await new Command("sleep", 1000).spawn();
  t.defer(() => other[Symbol.asyncDispose]());
  const errno = await answer(SHARE_FROM, other.pid, PIDTYPE_PID);
  await expectAnswer(() => new Command("true").runAmong(other.pid), errno);
});

conform("runAmong a process that is not there is a SpawnError of step coreSched", async () => {
  const error = await failure(SpawnError, () => new Command("true").runAmong(0x7fff_fff0).run());
  assertEquals([error.step, error.syscall], ["coreSched", "prctl"]);
  // ESRCH, unless the kernel does not know the call at all.
  assert(["ESRCH", "EINVAL", "ENODEV"].includes(error.code), error.code);
  assertEquals(error.args, [
    "PR_SCHED_CORE",
    "PR_SCHED_CORE_SHARE_FROM",
    "2147483632",
    "PIDTYPE_PID",
  ]);
});

const coreOf = (cmd: Command) =>
  cmd.explain().split("\n").filter((line) => line.startsWith("coreSched ")).map((line) =>
    line.replace(/^coreSched +/, "")
  );

conform("explain shows the call, before the change of user", () => {
  assertEquals(coreOf(new Command("true").runAlone()), [
    "prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, 0, PIDTYPE_TGID)",
  ]);
  assertEquals(coreOf(new Command("true").runAmong(7)), [
    "prctl(PR_SCHED_CORE, PR_SCHED_CORE_SHARE_FROM, 7, PIDTYPE_PID)",
  ]);
  assertEquals(coreOf(new Command("true")), []);
  const text = new Command("true").uid(1).gid(1).runAlone().explain();
  assertMatch(text, /PR_SCHED_CORE[\s\S]*setresuid/);
});

conform("of runAlone and runAmong, the last counts", () => {
  assertMatch(coreOf(new Command("true").runAlone().runAmong(7)).join(), /^prctl[^;]*SHARE_FROM/);
  const alone = coreOf(new Command("true").runAmong(7).runAmong(8).runAlone());
  assertEquals(alone.length, 1);
  assertMatch(alone.join(), /CREATE/);
});

for (const pid of [0, -1, 1.5, NaN, Infinity, "7", undefined]) {
  conform(`runAmong(${String(pid)}) is a misuse`, () => {
    assert(new Command("true").runAmong(pid as number).error instanceof UsageError);
  });
}
