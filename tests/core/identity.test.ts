import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { test } from "node:test";
import type { User } from "../../core/system.ts";
import { UsageError } from "../../core/errors.ts";
import { type RequestedIds, resolveCaps, resolveIds } from "../../core/plan/identity.ts";
import type { Ids } from "../../core/command/spec.ts";
import { imagined } from "../support/system.ts";

const USERS: User[] = [
  { name: "root", uid: 0, gid: 0 },
  { name: "ann", uid: 1000, gid: 100 },
  { name: "nobody", uid: 65534, gid: 65534 },
];

/** As getgrouplist(3) has it: the groups of the database, and the primary one that it is given. */
const GROUPS: Readonly<Record<string, number[]>> = { root: [], ann: [4, 27], nobody: [] };

const system = imagined({
  userByName: (name) => USERS.find((each) => each.name === name),
  userById: (uid) => USERS.find((each) => each.uid === uid),
  groupsOf: (name, gid) => [gid, ...GROUPS[name] ?? []],
});

const NOTHING: RequestedIds = {
  user: undefined,
  uid: undefined,
  gid: undefined,
  groups: undefined,
};

const TABLE: [what: string, wanted: Partial<RequestedIds>, ids: Ids | undefined][] = [
  ["nothing was said", {}, undefined],
  ["a user by name brings its groups along", { user: "ann" }, {
    uid: 1000,
    gid: 100,
    groups: [100, 4, 27],
  }],
  ["a user by number brings its groups along", { uid: 1000 }, {
    uid: 1000,
    gid: 100,
    groups: [100, 4, 27],
  }],
  ["nobody has no groups but its own", { user: "nobody" }, {
    uid: 65534,
    gid: 65534,
    groups: [65534],
  }],
  ["uid 0 is a user like any other", { uid: 0 }, { uid: 0, gid: 0, groups: [0] }],
  ["another primary group is added to the user's", { user: "ann", gid: 50 }, {
    uid: 1000,
    gid: 50,
    groups: [100, 4, 27, 50],
  }],
  ["a primary group that the user has is not added twice", { uid: 1000, gid: 27 }, {
    uid: 1000,
    gid: 27,
    groups: [100, 4, 27],
  }],
  ["groups that are given are all there are", { user: "ann", groups: [7, 8] }, {
    uid: 1000,
    gid: 100,
    groups: [7, 8],
  }],
  ["no groups at all can be asked for", { user: "ann", groups: [] }, {
    uid: 1000,
    gid: 100,
    groups: [],
  }],
  ["all three by number need no database", { uid: 4242, gid: 43, groups: [44] }, {
    uid: 4242,
    gid: 43,
    groups: [44],
  }],
  ["an unknown uid with a gid has that group only", { uid: 4242, gid: 43 }, {
    uid: 4242,
    gid: 43,
    groups: [43],
  }],
  ["a gid alone keeps the user, and drops the other groups", { gid: 43 }, {
    uid: undefined,
    gid: 43,
    groups: [43],
  }],
  ["gid 0 alone is a group like any other", { gid: 0 }, { uid: undefined, gid: 0, groups: [0] }],
  ["gid and groups keep the user", { gid: 43, groups: [] }, {
    uid: undefined,
    gid: 43,
    groups: [],
  }],
  ["groups alone keep user and group", { groups: [1, 2] }, {
    uid: undefined,
    gid: undefined,
    groups: [1, 2],
  }],
];

for (const [what, wanted, ids] of TABLE) {
  test(`ids: ${what}`, () => assertEquals(resolveIds({ ...NOTHING, ...wanted }, system), ids));
}

const UNKNOWN: [what: string, wanted: Partial<RequestedIds>, message: RegExp][] = [
  ["a name", { user: "bob" }, /^user\("bob"\): no such user$/],
  ["a name, whatever else is said", { user: "bob", gid: 1, groups: [] }, /^user\("bob"\)/],
  ["a number alone", { uid: 4242 }, /^uid\(4242\): .*say gid\(\)/],
  ["a number with groups but no gid", { uid: 4242, groups: [1] }, /^uid\(4242\): .*say gid\(\)/],
];

for (const [what, wanted, message] of UNKNOWN) {
  test(`an unknown user is a UsageError: ${what}`, () => {
    const error = assertThrows(() => resolveIds({ ...NOTHING, ...wanted }, system), UsageError);
    assertMatch(error.message, message);
  });
}

test("the database is not asked if nothing needs it", () => {
  const asked = (): never => {
    throw new Error("the database was asked");
  };
  const silent = imagined({ userByName: asked, userById: asked, groupsOf: asked });
  for (const wanted of [{}, { gid: 3 }, { groups: [1] }, { gid: 3, groups: [1] }]) {
    resolveIds({ ...NOTHING, ...wanted }, silent);
  }
});

const current = { effective: 5n, permitted: 7n, inheritable: 1n };
const kernel = imagined({ capabilities: () => ({ ...current, last: 40 }) });

test("capabilities are left alone if nothing was said of them, and not even asked for", () => {
  const silent = imagined({
    capabilities: () => {
      throw new Error("asked");
    },
  });
  assertEquals(resolveCaps({ clearCaps: false, allowedCaps: [] }, silent), undefined);
});

test("allowed capabilities are ascending and single, whatever order they were named in", () => {
  assertEquals(resolveCaps({ clearCaps: true, allowedCaps: [13, 5, 13, 0] }, kernel), {
    clear: true,
    allowed: [0, 5, 13],
    last: 40,
    current,
  });
});

test("clearing alone and allowing alone are both something", () => {
  const clearing = resolveCaps({ clearCaps: true, allowedCaps: [] }, kernel);
  assertEquals([clearing?.clear, clearing?.allowed], [true, []]);
  const allowing = resolveCaps({ clearCaps: false, allowedCaps: [40] }, kernel);
  assertEquals([allowing?.clear, allowing?.allowed], [false, [40]]);
});

test("a capability that the kernel does not know is a UsageError", () => {
  const caps = { clearCaps: false, allowedCaps: [3, 41] };
  const error = assertThrows(() => resolveCaps(caps, kernel), UsageError);
  assertMatch(error.message, /^allowCap\(41\): .*up to 40$/);
});
