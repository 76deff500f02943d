// What a process may do to its children's credentials, and what it must not hand on, whatever its
// own are: with file capabilities, ambient ones, securebits, saved ids, or root's own reduced.
import { assertEquals, assertStringIncludes } from "@std/assert";
import { chmodSync, copyFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { backendInfo, Command } from "../../mod.ts";
import { conform, type Context } from "../support/harness.ts";
import { programArgv } from "../support/runtime.ts";
import { parseStatus } from "../support/world.ts";

const NONE = "0000000000000000";
const NET_RAW = (1n << 13n).toString(16).padStart(16, "0");

/** What the program is told, see programs/credentials.ts. */
interface Wanted {
  readonly prepare?: readonly (readonly (string | number)[])[];
  readonly uid?: number;
  readonly gid?: number;
  readonly allow?: readonly string[];
  readonly steps?: readonly (readonly (string | number)[])[];
  readonly handshake?: boolean;
}

/** Runs the program with other credentials, and perhaps by a copy of this runtime; what it prints. */
async function printed(
  t: Context,
  wanted: Wanted,
  { prefix = [], binary }: { prefix?: readonly string[]; binary?: string } = {},
): Promise<string> {
  const [own = "", ...args] = programArgv("credentials", JSON.stringify(wanted));
  const folder = t.folder();
  chmodSync(folder, 0o777);
  const variables = [`DENO_DIR=${folder}/deno`, `HOME=${folder}`, `TMPDIR=${folder}`];
  const cmd = Command.from(["env", ...variables, ...prefix, binary ?? own, ...args]);
  return (await cmd.run({ check: false })).stdout;
}

/** The user of a child and its five sets of capabilities. */
function seen(text: string) {
  const { Uid, CapInh, CapPrm, CapEff, CapAmb } = parseStatus(text);
  if (Uid === undefined) return text;
  return { uid: Uid.split("\t")[0], sets: [CapInh, CapPrm, CapEff, CapAmb] };
}

const asUser = (user: number, ...more: string[]) => [
  "setpriv",
  `--reuid=${user}`,
  `--regid=${user}`,
  "--clear-groups",
  ...more,
];

const caps = (how: "inh" | "ambient", ...names: string[]) =>
  `--${how}-caps=${names.map((name) => `+${name}`).join(",")}`;

const handedOn = (...names: string[]) => [caps("inh", ...names), caps("ambient", ...names)];

const needs = { root: true, needs: ["setpriv"], features: ["uid", "allowCap"] };
const { driver } = backendInfo();

function hasNative(): boolean {
  try {
    return backendInfo("native").driver === "native";
  } catch {
    return false;
  }
}

/** Parents that have capabilities which they could hand on. */
const PARENTS: Record<string, readonly string[]> = {
  "with ambient capabilities": asUser(1000, ...handedOn("setuid", "setgid", "net_raw")),
  "that is root with SECBIT_NO_SETUID_FIXUP": ["setpriv", "--securebits=+no_setuid_fixup"],
  "that is root with SECBIT_NOROOT and ambient capabilities": [
    "setpriv",
    "--securebits=+noroot,+noroot_locked",
    ...handedOn("setuid", "setgid", "setpcap", "net_raw"),
  ],
  "that is root with inheritable capabilities": ["setpriv", caps("inh", "net_raw", "setuid")],
  "whose SECBIT_KEEP_CAPS is locked": ["setpriv", "--securebits=+keep_caps_locked"],
};

for (const [what, prefix] of Object.entries(PARENTS)) {
  for (const uid of [1001, 1000]) {
    conform(`a parent ${what}: nothing of them survives uid(${uid})`, async (t) => {
      const wanted = { uid, gid: uid };
      assertEquals(seen(await printed(t, wanted, { prefix })), {
        uid: String(uid),
        sets: [NONE, NONE, NONE, NONE],
      });
    }, needs);
  }

  // Locked as it is, KEEP_CAPS cannot be used; that is said.
  if (what.includes("KEEP_CAPS")) continue;
  conform(`a parent ${what}: what is allowed survives, and nothing else`, async (t) => {
    const wanted = { uid: 1001, gid: 1001, allow: ["net_raw"] };
    assertEquals(seen(await printed(t, wanted, { prefix })), {
      uid: "1001",
      sets: [NET_RAW, NET_RAW, NET_RAW, NET_RAW],
    });
  }, needs);
}

conform("KEEPCAPS that is refused is a failure only if something was to survive", async (t) => {
  const prefix = PARENTS["whose SECBIT_KEEP_CAPS is locked"] ?? [];
  const wanted = { uid: 1001, gid: 1001, allow: ["net_raw"] };
  assertStringIncludes(await printed(t, wanted, { prefix }), "step capabilities: capset(");
}, needs);

conform(
  "file capabilities of the runtime serve a change of user, or are known not to",
  async (t) => {
    const binary = join(t.folder(), "runtime");
    copyFileSync(process.execPath, binary);
    chmodSync(join(binary, ".."), 0o755);
    chmodSync(binary, 0o755);
    await new Command("setcap", "cap_setuid,cap_setgid+ep", binary).run();
    const wanted = { uid: 1001, gid: 1001 };
    const text = await printed(t, wanted, { prefix: asUser(1000), binary });
    if (hasNative()) {
      assertEquals(seen(text), { uid: "1001", sets: [NONE, NONE, NONE, NONE] });
    } else {
      assertStringIncludes(text, "UnsupportedError: uid is not supported by the launcher driver");
    }
  },
  { ...needs, needs: ["setpriv", "setcap"], skip: driver === "portable" ? "no uid" : undefined },
);

const ffi = { ...needs, skip: driver === "native" ? undefined : "needs FFI to prepare itself" };

conform("a saved user id of 0 is still there after the change of memory", async (t) => {
  const wanted = {
    prepare: [["setresuid", 1000, 1000, 0]],
    steps: [["setresuid", 0, 0, 0]],
  };
  const { uid } = seen(await printed(t, wanted)) as { uid: string };
  assertEquals(uid, "0");
}, ffi);

conform("root does not regain what it gave up before the program", async (t) => {
  const SETUID_SETGID_SETPCAP = 0x1c0;
  const wanted = {
    prepare: [["capset", SETUID_SETGID_SETPCAP]],
    steps: [["chroot", "/"]],
  };
  assertStringIncludes(await printed(t, wanted), 'chroot("/"): EPERM');
  // What it has kept serves as before.
  const { steps: _, ...change } = { ...wanted, uid: 1001, gid: 1001 };
  assertEquals(seen(await printed(t, change)), { uid: "1001", sets: [NONE, NONE, NONE, NONE] });
}, ffi);

conform("an ordinary process that may raise nothing has its memory copied instead", async (t) => {
  const NO_CAP_AMBIENT_RAISE = 0x40;
  const PR_SET_SECUREBITS = 28;
  const wanted = {
    prepare: [
      ["prctl", PR_SET_SECUREBITS, NO_CAP_AMBIENT_RAISE, 0, 0, 0],
      ["setresuid", 1000, 1000, 1000],
    ],
    handshake: true,
  };
  assertEquals(seen(await printed(t, wanted)), { uid: "1000", sets: [NONE, NONE, NONE, NONE] });
}, ffi);

conform("the bounding set is changed by clearCaps only", async () => {
  const own = parseStatus(await new Command("cat", "/proc/self/status").text())["CapBnd"];
  const changed = await new Command("cat", "/proc/self/status").uid(1001).gid(1001).text();
  assertEquals(parseStatus(changed)["CapBnd"], own);
}, needs);
