import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { readFileSync } from "node:fs";
import process from "node:process";
import { Command, type IoClass, type SchedulerPolicy, SpawnError, UsageError } from "../../mod.ts";
import { endLater } from "../support/daemons.ts";
import { failsToStart, failure, WAYS } from "../support/failures.ts";
import { conform } from "../support/harness.ts";
import { parseStat, parseStatus, type Setup, statSeen, statusSeen } from "../support/world.ts";

const [NICE, POLICY, RT_PRIORITY] = [19, 41, 40];
const POLICY_NUMBERS: Record<SchedulerPolicy, string> = {
  SCHED_OTHER: "0",
  SCHED_FIFO: "1",
  SCHED_RR: "2",
  SCHED_BATCH: "3",
  SCHED_IDLE: "5",
};

const oomScore = () => new Command("cat", "/proc/self/oom_score_adj");

/** How a process is scheduled, and its OOM score; by default, this one. */
function scheduling(
  read = (name: string) => readFileSync(`/proc/self/${name}`, "utf8"),
): unknown[] {
  const stat = parseStat(read("stat"));
  const { Cpus_allowed_list, NoNewPrivs } = parseStatus(read("status"));
  return [read("oom_score_adj"), stat[NICE], stat[POLICY], Cpus_allowed_list, NoNewPrivs];
}

/** All of them, higher or narrower than what a process has by itself. */
const all: Setup = (cmd) =>
  cmd.oomScoreAdj(700).nice(7).ioPriority("best-effort", 6).scheduler("SCHED_BATCH").noNewPrivs()
    .cpuAffinity([lastCpu()]);

function lastCpu(): number {
  const { Cpus_allowed_list = "" } = parseStatus(readFileSync("/proc/self/status", "utf8"));
  return Number(/\d+$/.exec(Cpus_allowed_list)?.[0]);
}

/** A program that reports all of them, and what it reports. */
const REPORT = [
  "sh",
  "-c",
  "cat /proc/self/oom_score_adj; ionice -p $$; grep -E 'NoNewPrivs|Cpus_allowed_list' " +
  "/proc/self/status; cat /proc/self/stat",
] as const;

function assertAll(report: string): void {
  const [score, io, cpus, privs, stat = ""] = report.trimEnd().split("\n");
  const seen = parseStat(stat);
  assertEquals(
    [score, io, cpus, privs, seen[NICE], seen[POLICY]],
    [
      "700",
      "best-effort: prio 6",
      // The order in which the kernel prints them.
      ...["NoNewPrivs:\t1", `Cpus_allowed_list:\t${lastCpu()}`],
      "7",
      POLICY_NUMBERS.SCHED_BATCH,
    ],
  );
}

conform("oomScoreAdj is the program's, and never the parent's", async () => {
  const before = scheduling();
  for (const score of [600, 1000]) {
    assertEquals(await oomScore().oomScoreAdj(score).text(), `${score}\n`);
    assertEquals(oomScore().oomScoreAdj(score).runSync().stdout, `${score}\n`);
  }
  assertEquals(scheduling(), before);
});

/** Root of a container may not have CAP_SYS_RESOURCE: as a shell finds out. */
async function mayLowerScore(): Promise<boolean> {
  const write = new Command("sh", "-c", "echo -1000 >/proc/self/oom_score_adj");
  return (await write.run({ check: false })).code === 0;
}

conform("oomScoreAdj can be lowered to any score, or is the kernel's refusal", async () => {
  const lowers = await mayLowerScore();
  for (const score of [-1000, -1]) {
    const make = () => oomScore().oomScoreAdj(score);
    if (lowers) assertEquals(await make().text(), `${score}\n`);
    else {
      await failsToStart(make, {
        step: "oomScoreAdj",
        syscall: "write",
        code: "EACCES",
        errno: 13,
        path: "/proc/self/oom_score_adj",
        exitCode: 125,
      });
    }
  }
});

conform("nice is the value itself, and not added to the parent's", async () => {
  const before = scheduling();
  for (const value of [5, 19]) {
    assertEquals((await statSeen((cmd) => cmd.nice(value)))[NICE], String(value));
  }
  assertEquals(await new Command("nice", "-n", 2, "nice").nice(5).text(), "7\n");
  assertEquals(scheduling(), before);
});

conform("nice can be lowered with the right to", async () => {
  for (const value of [-20, -1, 0]) {
    assertEquals((await statSeen((cmd) => cmd.nice(value)))[NICE], String(value));
  }
}, { root: true });

for (
  const [ioClass, level, display] of [
    ["best-effort", undefined, "best-effort: prio 4"],
    ["best-effort", 0, "best-effort: prio 0"],
    ["best-effort", 7, "best-effort: prio 7"],
    ["idle", undefined, "idle"],
  ] as const
) {
  conform(`ioPriority ${ioClass} ${level ?? ""} is the program's`, async () => {
    const cmd = new Command("ionice").ioPriority(ioClass, level);
    assertEquals(await cmd.text(), `${display}\n`);
    assertEquals(cmd.runSync().stdout, `${display}\n`);
  }, { needs: ["ionice"] });
}

conform("ioPriority realtime is there with the right to it", async () => {
  const cmd = new Command("ionice").ioPriority("realtime", 3);
  assertEquals(await cmd.text(), "realtime: prio 3\n");
}, { root: true, needs: ["ionice"] });

conform("cpuAffinity: the program runs on these processors, its children too", async () => {
  const cpu = lastCpu();
  const { Cpus_allowed_list } = await statusSeen((cmd) => cmd.cpuAffinity([cpu]));
  assertEquals(Cpus_allowed_list, String(cpu));
  const inherited = new Command("sh", "-c", "cat /proc/self/status; :").cpuAffinity([cpu, cpu]);
  assertEquals(parseStatus(await inherited.text())["Cpus_allowed_list"], String(cpu));
});

conform("cpuAffinity passes processors over that are not here", async () => {
  const cpu = lastCpu();
  const { Cpus_allowed_list } = await statusSeen((cmd) => cmd.cpuAffinity([8191, cpu, 8000]));
  assertEquals(Cpus_allowed_list, String(cpu));
});

conform("cpuAffinity to no processor that is here is a SpawnError of its step", async () => {
  await failsToStart(() => new Command("true").cpuAffinity([8190, 8191]), {
    step: "cpuAffinity",
    syscall: "sched_setaffinity",
    code: "EINVAL",
    errno: 22,
    path: undefined,
    exitCode: 125,
  });
});

for (const policy of ["SCHED_OTHER", "SCHED_BATCH", "SCHED_IDLE"] as const) {
  conform(`scheduler ${policy} is the program's, without a priority`, async () => {
    const before = scheduling();
    const seen = await statSeen((cmd) => cmd.scheduler(policy));
    assertEquals([seen[POLICY], seen[RT_PRIORITY]], [POLICY_NUMBERS[policy], "0"]);
    const { stdout } = new Command("cat", "/proc/self/stat").scheduler(policy, 0).runSync();
    assertEquals(parseStat(stdout)[POLICY], POLICY_NUMBERS[policy]);
    assertEquals(scheduling(), before);
  });
}

/** A cgroup without real-time runtime refuses real-time policies even to root: as chrt sees it. */
async function mayBeRealTime(): Promise<boolean> {
  return (await new Command("chrt", "-f", 1, "true").run({ check: false })).code === 0;
}

for (const policy of ["SCHED_FIFO", "SCHED_RR"] as const) {
  conform(`scheduler ${policy} has its priority, or the kernel's refusal`, async () => {
    for (const priority of [1, 99]) {
      const make = () => new Command("cat", "/proc/self/stat").scheduler(policy, priority);
      if (await mayBeRealTime()) {
        const seen = parseStat(await make().text());
        assertEquals([seen[POLICY], seen[RT_PRIORITY]], [
          POLICY_NUMBERS[policy],
          String(priority),
        ]);
      } else {
        const error = await failure(SpawnError, () => make().run());
        assertEquals([error.step, error.syscall], ["scheduler", "sched_setscheduler"]);
      }
    }
  }, { needs: ["chrt"] });
}

conform("noNewPrivs holds for the program and what it executes", async () => {
  const cmd = new Command("sh", "-c", "grep NoNewPrivs /proc/self/status; :").noNewPrivs();
  assertEquals(await cmd.text(), "NoNewPrivs:\t1\n");
  assertEquals(cmd.runSync().stdout, "NoNewPrivs:\t1\n");
  assertEquals((await statusSeen())["NoNewPrivs"], String(scheduling()[4]));
});

conform("noNewPrivs keeps no user, capability or further step away", async () => {
  const { Uid, CapEff, NoNewPrivs } = await statusSeen((cmd) =>
    cmd.noNewPrivs().uid(65534).gid(65534).groups([]).allowCap("net_raw")
  );
  assertEquals([Uid, CapEff, NoNewPrivs], [
    "65534\t65534\t65534\t65534",
    "0000000000002000",
    "1",
  ]);
}, { root: true });

conform("all of them go together, in every way of running", async () => {
  const before = scheduling();
  assertAll(await all(Command.from(REPORT)).text());
  assertAll(all(Command.from(REPORT)).runSync().stdout);
  const child = await all(Command.from(REPORT)).stdout("capture").handshake().spawn();
  await child.handshakeWait();
  await child.handshakeNotify();
  assertAll((await child.wait()).stdout);
  assertEquals(scheduling(), before);
}, { needs: ["ionice"] });

conform("all of them are there after a change of user that takes the right to them", async () => {
  const dropped: Setup = (cmd) => all(cmd).uid(65534).gid(65534).groups([]).clearCaps();
  assertAll(await dropped(Command.from(REPORT)).text());
  const lower: Setup = (cmd) => cmd.nice(-5).uid(65534).gid(65534).groups([]);
  assertEquals((await statSeen(lower))[NICE], "-5");
  if (await mayLowerScore()) {
    assertEquals(await lower(oomScore()).oomScoreAdj(-500).text(), "-500\n");
  }
}, { root: true, needs: ["ionice"] });

const hook = new URL("../support/hooks/scheduling.ts", import.meta.url);

conform("a hook runs before any of them: its runtime is not slowed down", async (t) => {
  const path = `${t.folder()}/seen`;
  assertAll(await all(Command.from(REPORT)).preExec(hook, path).text());
  const texts: Record<string, string> = JSON.parse(readFileSync(path, "utf8"));
  assertEquals(scheduling((name) => texts[name] ?? ""), scheduling());
}, { needs: ["ionice"] });

conform("a daemon has them as well", async (t) => {
  const cmd = all(new Command("sleep", 1000)).daemonize();
  const { daemonPid } = endLater(t.defer, await cmd.run());
  const read = (name: string) => readFileSync(`/proc/${daemonPid}/${name}`, "utf8");
  const stat = parseStat(read("stat"));
  assertEquals([read("oom_score_adj"), stat[NICE], stat[POLICY]], ["700\n", "7", "3"]);
});

/** What needs rights that an ordinary user does not have, and the errors without. */
const REFUSED: Record<string, [Setup, string]> = {
  oomScoreAdj: [(cmd) => cmd.oomScoreAdj(-1000), "EACCES"],
  nice: [(cmd) => cmd.nice(-20), "EACCES"],
  ioPriority: [(cmd) => cmd.ioPriority("realtime", 0), "EPERM"],
  scheduler: [(cmd) => cmd.scheduler("SCHED_FIFO", 99), "EPERM"],
};

for (const [step, [setup, code]] of Object.entries(REFUSED)) {
  conform(`${step}: what the kernel refuses is a SpawnError of this step`, async () => {
    for (const [way, start] of Object.entries(WAYS)) {
      const error = await failure(SpawnError, () => start(setup(new Command("true"))));
      assertEquals([error.step, error.code, error.exitCode], [step, code, 125], way);
      const path = step === "oomScoreAdj" ? "/proc/self/oom_score_adj" : undefined;
      assertEquals(error.path, path);
    }
  }, { skip: process.getuid?.() === 0 ? "root may do all of this" : undefined });
}

const SHOWN: [name: string, Setup, string][] = [
  ["cpuAffinity", (cmd) => cmd.cpuAffinity([3, 0]), "sched_setaffinity(0, 8, [3 0])"],
  [
    "ioPriority",
    (cmd) => cmd.ioPriority("idle", 0),
    "ioprio_set(IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0))",
  ],
  ["nice", (cmd) => cmd.nice(-3), "setpriority(PRIO_PROCESS, 0, -3)"],
  [
    "scheduler",
    (cmd) => cmd.scheduler("SCHED_RR", 2),
    "sched_setscheduler(0, SCHED_RR, [2])",
  ],
  ["noNewPrivs", (cmd) => cmd.noNewPrivs(), "prctl(PR_SET_NO_NEW_PRIVS, 1)"],
];

for (const [step, setup, display] of SHOWN) {
  conform(`${step}: explain shows the call`, () => {
    const lines = setup(new Command("true")).explain().split("\n");
    const own = lines.filter((line) => line.startsWith(`${step} `));
    assertEquals(own.map((line) => line.slice(step.length).trimStart()), [display]);
  });
}

conform("of two calls, the last counts", async () => {
  const cmd = new Command("cat", "/proc/self/stat").nice(3).nice(6)
    .scheduler("SCHED_IDLE").scheduler("SCHED_BATCH");
  const seen = parseStat(await cmd.text());
  assertEquals([seen[NICE], seen[POLICY]], ["6", POLICY_NUMBERS.SCHED_BATCH]);
});

/** Misuses, and what their message has to show. */
const MISUSES: [Setup, string][] = [
  ...[-1001, 1001, 0.5, NaN, Infinity].map((n): [Setup, string] => [
    (cmd) => cmd.oomScoreAdj(n),
    `oomScoreAdj(${n})`,
  ]),
  ...[-21, 20, 1.5, NaN].map((n): [Setup, string] => [(cmd) => cmd.nice(n), `nice(${n})`]),
  [(cmd) => cmd.nice("5" as never), 'nice("5")'],
  ...[-1, 8, 0.1].map((n): [Setup, string] => [
    (cmd) => cmd.ioPriority("best-effort", n),
    `ioPriority("best-effort", ${n})`,
  ]),
  [(cmd) => cmd.ioPriority("none" as IoClass), 'ioPriority("none")'],
  [(cmd) => cmd.ioPriority("toString" as IoClass), 'ioPriority("toString")'],
  [(cmd) => cmd.cpuAffinity([]), "cpuAffinity([])"],
  [(cmd) => cmd.cpuAffinity([0, 8192]), "8192"],
  [(cmd) => cmd.cpuAffinity([-1]), "-1"],
  [(cmd) => cmd.cpuAffinity([0.5]), "0.5"],
  // A hole is a number that is missing.
  [(cmd) => cmd.cpuAffinity([0, , 1] as number[]), "undefined"],
  [(cmd) => cmd.cpuAffinity("0-3" as never), '"0-3"'],
  [(cmd) => cmd.scheduler("SCHED_DEADLINE" as SchedulerPolicy), '"SCHED_DEADLINE"'],
  [(cmd) => cmd.scheduler("batch" as SchedulerPolicy), '"batch"'],
  [(cmd) => cmd.scheduler("constructor" as SchedulerPolicy), '"constructor"'],
  [(cmd) => cmd.scheduler("SCHED_FIFO"), "a priority from 1 to 99"],
  [(cmd) => cmd.scheduler("SCHED_FIFO", 0), "0"],
  [(cmd) => cmd.scheduler("SCHED_RR", 100), "100"],
  [(cmd) => cmd.scheduler("SCHED_RR", 1.5), "1.5"],
  [(cmd) => cmd.scheduler("SCHED_OTHER", 1), "no priority"],
  [(cmd) => cmd.scheduler("SCHED_IDLE", -1), "-1"],
];

for (const [setup, display] of MISUSES) {
  conform(`a wrong value is a misuse that says which: ${display}`, async () => {
    const cmd = setup(new Command("true"));
    assert(cmd.error instanceof UsageError);
    assertStringIncludes(cmd.error.message, display);
    assertEquals(await failure(UsageError, () => cmd.run()), cmd.error);
  });
}

conform("cpuAffinity takes a list of any length, and a copy of it", async () => {
  const cpu = lastCpu();
  const cpus = new Array<number>(200_000).fill(cpu);
  const cmd = new Command("cat", "/proc/self/status").cpuAffinity(cpus);
  cpus.fill(-1);
  assertEquals(parseStatus(await cmd.text())["Cpus_allowed_list"], String(cpu));
});
