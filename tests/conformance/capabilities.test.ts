import { assert, assertEquals, assertMatch } from "@std/assert";
import { readFileSync } from "node:fs";
import process from "node:process";
import { capabilities, Command, UsageError } from "../../mod.ts";
import { failsToStart, failure, WAYS } from "../support/failures.ts";
import { conform } from "../support/harness.ts";
import { parseStatus, type Setup, statusSeen } from "../support/world.ts";

/** A user that no database has. */
const UNKNOWN = 3_000_001;

const LAST = Number(readFileSync("/proc/sys/kernel/cap_last_cap", "utf8"));

/** The five sets, as proc_pid_status(5) shows them: a bit for each capability. */
interface Sets {
  readonly inheritable: bigint;
  readonly permitted: bigint;
  readonly effective: bigint;
  readonly bounding: bigint;
  readonly ambient: bigint;
}

function setsIn(status: Record<string, string>): Sets {
  const set = (name: string) => BigInt(`0x${status[name]}`);
  return {
    inheritable: set("CapInh"),
    permitted: set("CapPrm"),
    effective: set("CapEff"),
    bounding: set("CapBnd"),
    ambient: set("CapAmb"),
  };
}

const setsSeen = async (setup?: Setup) => setsIn(await statusSeen(setup));

/** All five sets alike. */
function all(set: bigint): Sets {
  return { inheritable: set, permitted: set, effective: set, bounding: set, ambient: set };
}

const bits = (...numbers: number[]) => numbers.reduce((set, cap) => set | 1n << BigInt(cap), 0n);

/** What this process may hand on. A container often lacks some. */
const OWN = setsIn(parseStatus(readFileSync("/proc/self/status", "utf8")));

const OWNED = Array.from({ length: LAST + 1 }, (_, cap) => cap)
  .filter((cap) => OWN.permitted & OWN.bounding & bits(cap));
const MISSING = Array.from({ length: LAST + 1 }, (_, cap) => cap)
  .filter((cap) => !OWNED.includes(cap));

const { net_raw, net_bind_service, kill, setuid } = capabilities;

/** With and without a change of user. */
const USERS: Record<string, Setup> = {
  "root": (cmd) => cmd,
  "uid 0": (cmd) => cmd.uid(0),
  "nobody": (cmd) => cmd.user("nobody"),
  "an unknown user": (cmd) => cmd.uid(UNKNOWN).gid(UNKNOWN),
};

for (const [user, become] of Object.entries(USERS)) {
  conform(`${user}: clearCaps leaves none, and none to be had again`, async () => {
    assertEquals(await setsSeen((cmd) => become(cmd).clearCaps()), all(0n));
  }, { root: true });

  conform(`${user}: clearCaps and allowCap leave exactly those, in all five sets`, async () => {
    const setup: Setup = (cmd) => become(cmd.clearCaps().allowCap("net_raw").allowCap("kill"));
    assertEquals(await setsSeen(setup), all(bits(net_raw, kill)));
  }, { root: true });

  conform(`${user}: runSync gives the same capabilities`, () => {
    const cmd = become(new Command("cat", "/proc/self/status").clearCaps().allowCap("setuid"));
    assertEquals(setsIn(parseStatus(cmd.runSync().stdout)), all(bits(setuid)));
  }, { root: true });
}

for (const user of ["nobody", "an unknown user"]) {
  conform(`${user}: allowCap alone leaves those, and the bounding set as it is`, async () => {
    const setup: Setup = (cmd) => cmd.allowCap("net_bind_service");
    const set = bits(net_bind_service);
    const seen = await setsSeen((cmd) => setup(USERS[user]?.(cmd) ?? cmd));
    assertEquals(seen, { ...all(set), bounding: OWN.bounding });
  }, { root: true });

  conform(`${user}: without a word on capabilities, none survives the change`, async () => {
    const seen = await setsSeen((cmd) => USERS[user]?.(cmd) ?? cmd);
    assertEquals(seen, { ...all(0n), inheritable: OWN.inheritable, bounding: OWN.bounding });
  }, { root: true });
}

for (const user of ["root", "uid 0"]) {
  conform(`${user}: allowCap alone adds to what is there`, async () => {
    const seen = await setsSeen((cmd) => (USERS[user]?.(cmd) ?? cmd).allowCap("net_raw"));
    const set = bits(net_raw);
    const { bounding, permitted, effective } = OWN;
    assertEquals(seen, {
      inheritable: OWN.inheritable | set,
      permitted,
      effective,
      bounding,
      ambient: set,
    });
  }, { root: true });
}

conform(
  "the allowed capabilities are really there: nobody may change users with setuid",
  async () => {
    const cmd = () =>
      new Command("setpriv", "--reuid=54321", "id", "-u").user("nobody").clearCaps();
    assertEquals(await cmd().allowCap("setuid").text(), "54321\n");
    assert((await cmd().run({ check: false })).code !== 0);
  },
  { root: true, needs: ["setpriv", "id"] },
);

conform("programs that the child executes have them too, and cannot have more", async () => {
  const shell = new Command("sh", "-c", "cat /proc/self/status; true").user("nobody").clearCaps();
  assertEquals(setsIn(parseStatus(await shell.allowCap("kill").text())), all(bits(kill)));
  const root = new Command("sh", "-c", "cat /proc/self/status; true").clearCaps().allowCap("kill");
  assertEquals(setsIn(parseStatus(await root.text())), all(bits(kill)));
}, { root: true });

conform("every capability that this process has can be allowed, by number", async () => {
  assert(OWNED.length > 0);
  for (const cap of OWNED) {
    const setup: Setup = (cmd) => cmd.uid(UNKNOWN).gid(UNKNOWN).clearCaps().allowCap(cap);
    assertEquals(await setsSeen(setup), all(bits(cap)), `capability ${cap}`);
  }
}, { root: true });

conform("every capability that this process has can be allowed, all at once by name", async () => {
  const named = Object.entries(capabilities).filter(([, cap]) => OWNED.includes(cap));
  const setup: Setup = (cmd) => {
    for (const [name] of named) cmd.allowCap(`CAP_${name.toUpperCase()}` as "kill");
    return cmd.user("nobody").clearCaps();
  };
  assertEquals(await setsSeen(setup), all(bits(...named.map(([, cap]) => cap))));
}, { root: true });

conform("a capability that this process lacks is a SpawnError of step capabilities", async () => {
  for (const cap of MISSING) {
    await failsToStart(() => new Command("true").clearCaps().allowCap(cap), {
      step: "capabilities",
      syscall: "capset",
      code: "EPERM",
      errno: 1,
      path: undefined,
      exitCode: 125,
    });
  }
}, { root: true, skip: MISSING.length === 0 ? "this process has all capabilities" : undefined });

conform("the parent keeps its capabilities", async () => {
  await new Command("true").clearCaps().run();
  new Command("true").user("nobody").allowCap("kill").runSync();
  assertEquals(setsIn(parseStatus(readFileSync("/proc/self/status", "utf8"))), OWN);
}, { root: true });

conform("a capability is known by name, in both spellings, and by number", async () => {
  for (const cap of ["net_raw", "CAP_NET_RAW", "cap_net_raw", "NET_RAW", 13]) {
    const setup: Setup = (cmd) => cmd.clearCaps().allowCap(cap as "net_raw");
    assertEquals((await setsSeen(setup)).permitted, bits(net_raw), String(cap));
  }
}, { root: true });

conform("an ordinary user may not reduce the bounding set: a SpawnError that says so", async () => {
  await failsToStart(() => new Command("true").clearCaps(), {
    step: "capabilities",
    syscall: "prctl",
    code: "EPERM",
    errno: 1,
    path: undefined,
    exitCode: 125,
  });
}, { skip: OWN.permitted === 0n ? undefined : "needs a user without capabilities" });

conform("an ordinary user may not hand on what it does not have: a SpawnError", async () => {
  await failsToStart(() => new Command("true").allowCap("net_raw"), {
    step: "capabilities",
    syscall: "capset",
    code: "EPERM",
    errno: 1,
    path: undefined,
    exitCode: 125,
  });
}, { skip: OWN.permitted === 0n ? undefined : "needs a user without capabilities" });

conform("the numbers of capabilities are those of the kernel's header", () => {
  const { chown, sys_admin, checkpoint_restore } = capabilities;
  assertEquals([chown, net_raw, sys_admin, checkpoint_restore], [0, 13, 21, 40]);
  const numbers = Object.values(capabilities).toSorted((a, b) => a - b);
  assertEquals(numbers, Array.from({ length: numbers.length }, (_, i) => i));
});

for (const cap of ["no_such_cap", "", "toString", -1, 64, 1.5, NaN, null, undefined]) {
  conform(`allowCap(${JSON.stringify(cap)}) is a misuse`, () => {
    assert(new Command("true").allowCap(cap as number).error instanceof UsageError);
  });
}

conform("a number that this kernel does not know is a UsageError of the run", async () => {
  for (const start of Object.values(WAYS)) {
    const error = await failure(UsageError, () => start(new Command("true").allowCap(LAST + 1)));
    assertMatch(error.message, new RegExp(`${LAST + 1}.*${LAST}`));
  }
}, { skip: LAST === 63 ? "the kernel knows 64 capabilities" : undefined });

conform("explain shows each capability by name, and in which order", () => {
  const cmd = new Command("true").uid(UNKNOWN).gid(7).clearCaps().allowCap("net_raw");
  const lines = cmd.explain().split("\n");
  const at = (part: string) => lines.findIndex((line) => line.includes(part));
  const order = [
    "PR_CAPBSET_DROP, CAP_CHOWN",
    "PR_SET_KEEPCAPS, 1",
    "setresuid(",
    "PR_SET_KEEPCAPS, 0",
    "capset(",
    "PR_CAP_AMBIENT_RAISE, CAP_NET_RAW",
    "execve(",
  ].map(at);
  assert(order.every((line) => line >= 0), lines.join("\n"));
  assertEquals(order, order.toSorted((a, b) => a - b));
  assertEquals(at("PR_CAPBSET_DROP, CAP_NET_RAW"), -1);
});

conform("an ordinary user that says nothing of capabilities has none", async () => {
  assertEquals(await setsSeen(), OWN);
}, { skip: process.getuid?.() === 0 ? "needs an ordinary user" : undefined });
