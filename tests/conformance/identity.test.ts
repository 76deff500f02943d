import { assert, assertEquals, assertMatch } from "@std/assert";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { Command, type Ids, SpawnError, UsageError } from "../../mod.ts";
import { failsToStart, failure, WAYS } from "../support/failures.ts";
import { conform } from "../support/harness.ts";
import { parseStatus, type Setup, statusSeen } from "../support/world.ts";

/** A user and a group that no database has. */
const [UNKNOWN, UNKNOWN_GROUP] = [3_000_001, 3_000_002];

const ordinary = process.getuid?.() === 0 ? "needs an ordinary user" : undefined;

/** What a child sees of itself: real, effective, saved and file system ids; and its groups. */
interface Seen {
  readonly uid: readonly number[];
  readonly gid: readonly number[];
  readonly groups: readonly number[];
}

function idsIn({ Uid = "", Gid = "", Groups = "" }: Record<string, string>): Seen {
  const numbers = (text: string) => text.split(/\s+/).filter((each) => each !== "").map(Number);
  const groups = numbers(Groups).sort((a, b) => a - b);
  return { uid: numbers(Uid), gid: numbers(Gid), groups };
}

const seenBy = async (setup?: Setup) => idsIn(await statusSeen(setup));

/** All four ids of both kinds alike. */
function seen(uid: number, gid: number, groups: readonly number[]): Seen {
  const four = (id: number) => [id, id, id, id];
  return { uid: four(uid), gid: four(gid), groups: [...groups].sort((a, b) => a - b) };
}

/** The user database as id(1) reads it. */
async function idsOf(user: string): Promise<{ uid: number; gid: number; groups: number[] }> {
  const ask = async (flag: string) => (await new Command("id", flag, user).text()).trim();
  const groups = (await ask("-G")).split(" ").map(Number);
  return { uid: Number(await ask("-u")), gid: Number(await ask("-g")), groups };
}

/** A user that is a member of a group besides its own, if /etc/group has one. */
function joiner(): string | undefined {
  const users = readFileSync("/etc/passwd", "utf8").split("\n").map((line) => line.split(":")[0]);
  for (const line of readFileSync("/etc/group", "utf8").split("\n")) {
    const member = line.split(":")[3]?.split(",")[0];
    if (member !== undefined && member !== "" && users.includes(member)) return member;
  }
  return undefined;
}

conform("without a word on it, the child has its parent's user and groups", async () => {
  assertEquals(await seenBy(), idsIn(parseStatus(readFileSync("/proc/self/status", "utf8"))));
});

conform("root dropping to nobody ends with exactly the groups of nobody", async () => {
  const { uid, gid, groups } = await idsOf("nobody");
  const expected = seen(uid, gid, groups);
  assert(!expected.groups.includes(0));
  assertEquals(await seenBy((cmd) => cmd.user("nobody")), expected);
  assertEquals(await seenBy((cmd) => cmd.uid(uid)), expected);
}, { root: true });

conform("runSync and spawn drop to the same user and groups", async ({ folder }) => {
  const { uid, gid, groups } = await idsOf("nobody");
  const make = () => new Command("cat", "/proc/self/status").user("nobody");
  assertEquals(idsIn(parseStatus(make().runSync().stdout)), seen(uid, gid, groups));
  const file = join(folder(), "status");
  await (await make().stdout({ file }).spawn()).wait();
  assertEquals(idsIn(parseStatus(readFileSync(file, "utf8"))), seen(uid, gid, groups));
}, { root: true });

conform("every user of /etc/passwd gets the ids and groups that id(1) knows", async () => {
  const names = readFileSync("/etc/passwd", "utf8").trimEnd().split("\n").slice(0, 8)
    .map((line) => line.split(":")[0] ?? "");
  assert(names.length > 1);
  for (const name of names) {
    const { uid, gid, groups } = await idsOf(name);
    assertEquals(await seenBy((cmd) => cmd.user(name)), seen(uid, gid, groups), name);
  }
}, { root: true, needs: ["id"] });

const member = joiner();

conform("uid alone takes gid and all groups from the user database", async () => {
  const { uid, gid, groups } = await idsOf(member ?? "");
  assert(groups.length > 1);
  assertEquals(await seenBy((cmd) => cmd.uid(uid)), seen(uid, gid, groups));
}, { root: true, skip: member === undefined ? "no user is in a second group here" : undefined });

conform("another primary group is added to those of the user", async () => {
  const { uid, groups } = await idsOf("nobody");
  const expected = seen(uid, UNKNOWN_GROUP, [...groups, UNKNOWN_GROUP]);
  assertEquals(await seenBy((cmd) => cmd.user("nobody").gid(UNKNOWN_GROUP)), expected);
}, { root: true });

conform("groups are exactly those that are given, also none and very many", async () => {
  const { uid, gid } = await idsOf("nobody");
  const many = Array.from({ length: 5000 }, (_, i) => 100_000 + i);
  for (const groups of [[7, 8, 0xffff_fffe], [], many]) {
    const set: Setup = (cmd) => cmd.user("nobody").groups(groups);
    assertEquals(await seenBy(set), seen(uid, gid, groups));
  }
}, { root: true });

conform("an unknown uid with a gid has that group only, not root's", async () => {
  const set: Setup = (cmd) => cmd.uid(UNKNOWN).gid(UNKNOWN_GROUP);
  assertEquals(await seenBy(set), seen(UNKNOWN, UNKNOWN_GROUP, [UNKNOWN_GROUP]));
  const largest = 0xffff_fffe;
  const most: Setup = (cmd) => cmd.uid(largest).gid(largest);
  assertEquals(await seenBy(most), seen(largest, largest, [largest]));
}, { root: true });

conform("gid alone keeps the user and no other group", async () => {
  assertEquals(
    await seenBy((cmd) => cmd.gid(UNKNOWN_GROUP)),
    seen(0, UNKNOWN_GROUP, [
      UNKNOWN_GROUP,
    ]),
  );
}, { root: true });

conform("groups alone keep the user and its group", async () => {
  const own = await seenBy();
  assertEquals(await seenBy((cmd) => cmd.groups([7])), { ...own, groups: [7] });
  assertEquals(await seenBy((cmd) => cmd.groups([])), { ...own, groups: [] });
}, { root: true });

conform("uid 0 is a user like any other", async () => {
  const { uid, gid, groups } = await idsOf("root");
  assertEquals(await seenBy((cmd) => cmd.uid(0)), seen(uid, gid, groups));
}, { root: true });

conform("the parent keeps its user and groups", async () => {
  const own = () => idsIn(parseStatus(readFileSync("/proc/self/status", "utf8")));
  const before = own();
  await new Command("true").user("nobody").run();
  new Command("true").uid(UNKNOWN).gid(UNKNOWN_GROUP).runSync();
  assertEquals(own(), before);
}, { root: true });

conform("a child that is no longer root has no capability left", async () => {
  const cmd = new Command("cat", "/proc/self/status").user("nobody");
  const { CapPrm, CapEff, CapAmb } = parseStatus(await cmd.text());
  const none = "0".repeat(16);
  assertEquals({ CapPrm, CapEff, CapAmb }, { CapPrm: none, CapEff: none, CapAmb: none });
}, { root: true });

conform("the folder is entered as the new user", async ({ folder }) => {
  const dir = join(folder(), "root");
  mkdirSync(dir, { mode: 0o700 });
  chmodSync(join(dir, ".."), 0o755);
  await failsToStart(() => new Command("true").user("nobody").cwd(dir), {
    step: "chdir",
    syscall: "chdir",
    code: "EACCES",
    errno: 13,
    path: dir,
    exitCode: 125,
  });
}, { root: true });

conform("the program is executed as the new user", async ({ folder }) => {
  const dir = folder();
  const path = join(dir, "program");
  chmodSync(dir, 0o755);
  writeFileSync(path, "#!/bin/sh\n");
  chmodSync(path, 0o700);
  await failsToStart(() => new Command(path).user("nobody"), {
    step: "exec",
    syscall: "execve",
    code: "EACCES",
    errno: 13,
    path,
    exitCode: 126,
  });
}, { root: true });

conform("explain shows groups before gid before uid", () => {
  const text = new Command("true").uid(UNKNOWN).gid(8).groups([9, 10]).explain();
  const calls = text.split("\n").filter((line) => line.startsWith("identity"));
  assertEquals(calls.map((line) => line.replace(/^identity +/, "")), [
    "setgroups(2, [9, 10])",
    "setresgid(8, 8, 8)",
    `setresuid(${UNKNOWN}, ${UNKNOWN}, ${UNKNOWN})`,
  ]);
});

const refused = { step: "identity", code: "EPERM", errno: 1, path: undefined, exitCode: 125 };

conform("an ordinary user may not change users: a SpawnError of step identity", async () => {
  const cases: [Setup, string][] = [
    [(cmd) => cmd.user("root"), "setgroups"],
    [(cmd) => cmd.uid(UNKNOWN).gid(UNKNOWN_GROUP), "setgroups"],
    [(cmd) => cmd.groups([0]), "setgroups"],
    [(cmd) => cmd.gid(0), "setgroups"],
  ];
  for (const [setup, syscall] of cases) {
    await failsToStart(() => setup(new Command("true")), { ...refused, syscall });
  }
}, { skip: ordinary });

conform("an ordinary user's own ids are granted, or refused by the kernel", async () => {
  const own = await seenBy();
  const [uid = -1, gid = -1] = [own.uid[0], own.gid[0]];
  const setup: Setup = (cmd) => cmd.uid(uid).gid(gid).groups(own.groups);
  try {
    assertEquals(await seenBy(setup), own);
  } catch (error) {
    assert(error instanceof SpawnError, String(error));
    const { step, syscall, code } = error;
    assertEquals([step, syscall, code], ["identity", "setgroups", "EPERM"]);
  }
}, { skip: ordinary });

/** Everything that needs to know the ids. */
const ASKING: Record<string, (cmd: Command) => unknown> = {
  ...WAYS,
  ids: (cmd) => cmd.ids,
  explain: (cmd) => cmd.explain(),
};

for (const [way, ask] of Object.entries(ASKING)) {
  conform(`${way}: an unknown uid needs gid(), else it is a UsageError`, async () => {
    const error = await failure(UsageError, () => ask(new Command("true").uid(UNKNOWN)));
    assertMatch(error.message, new RegExp(`${UNKNOWN}.*gid\\(\\)`));
    const groups = () => ask(new Command("true").uid(UNKNOWN).groups([7]));
    await failure(UsageError, groups);
  });

  conform(`${way}: an unknown user is a UsageError`, async () => {
    const unknown = () => ask(new Command("true").user("no such user").gid(7).groups([]));
    assertMatch((await failure(UsageError, unknown)).message, /no such user/);
  });
}

conform("cmd.ids tells what the program would get", async () => {
  const { uid, gid, groups } = await idsOf("nobody");
  const ids = (setup: Setup) => {
    const { groups, ...rest } = setup(new Command("true")).ids;
    return { ...rest, groups: groups?.toSorted((a, b) => a - b) };
  };
  const unchanged: Ids = { uid: undefined, gid: undefined, groups: undefined };
  assertEquals(ids((cmd) => cmd), unchanged);
  const nobody = { uid, gid, groups: groups.toSorted((a, b) => a - b) };
  assertEquals(ids((cmd) => cmd.user("nobody")), nobody);
  assertEquals(ids((cmd) => cmd.uid(uid)), nobody);
  assertEquals(ids((cmd) => cmd.user("nobody").groups([3])), { ...nobody, groups: [3] });
  assertEquals(ids((cmd) => cmd.uid(UNKNOWN).gid(7)), { uid: UNKNOWN, gid: 7, groups: [7] });
  assertEquals(ids((cmd) => cmd.gid(7)), { uid: undefined, gid: 7, groups: [7] });
  assertEquals(ids((cmd) => cmd.groups([7])), { ...unchanged, groups: [7] });
});

const MISUSES: Record<string, Setup> = {
  "a negative uid": (cmd) => cmd.uid(-1),
  "a uid that is not whole": (cmd) => cmd.uid(0.5),
  "a uid of 2^32 - 1, which means none": (cmd) => cmd.uid(2 ** 32 - 1),
  "a uid as text": (cmd) => cmd.uid("0" as unknown as number),
  "a negative gid": (cmd) => cmd.gid(-1),
  "an endless gid": (cmd) => cmd.gid(Infinity),
  "a negative group": (cmd) => cmd.groups([1, -1]),
  "groups that are no array": (cmd) => cmd.groups(7 as unknown as number[]),
  "a user without a name": (cmd) => cmd.user(""),
  "a user as a number": (cmd) => cmd.user(0 as unknown as string),
  "a NUL byte in a user": (cmd) => cmd.user("root\0"),
  "a second user": (cmd) => cmd.user("root").user("nobody"),
  "a user and a uid": (cmd) => cmd.user("nobody").uid(0),
  "a uid and a user": (cmd) => cmd.uid(0).user("nobody"),
};

for (const [what, setup] of Object.entries(MISUSES)) {
  conform(`${what} is a misuse`, () => {
    assert(setup(new Command("true")).error instanceof UsageError);
  });
}
