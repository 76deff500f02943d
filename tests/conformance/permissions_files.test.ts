import { assert, assertEquals } from "@std/assert";
import { existsSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { backendInfo, Command } from "../../mod.ts";
import { conform, type Context } from "../support/harness.ts";

const { runtime, driver } = backendInfo();
const script = fileURLToPath(new URL("../support/programs/permitted_files.ts", import.meta.url));
const root = fileURLToPath(new URL("../..", import.meta.url));

interface Told {
  readonly seen: Readonly<Record<string, string>>;
  readonly missing: string;
}

/** What a program of this runtime tells that has these flags; `$F` stands for the folder. */
async function reported(
  t: Context,
  flags: readonly string[],
  { env = {}, exec = true } = {},
): Promise<Told> {
  const folder = t.folder();
  const [file, missing] = [join(folder, "file"), join(folder, "missing")];
  writeFileSync(file, "content\n");
  const own = runtime === "deno"
    ? ["run", "--quiet", "--no-check", "--no-prompt", "--no-lock"]
    : ["--no-warnings"];
  const given = flags.map((each) => each.replace("$F", folder));
  const cmd = new Command(
    process.execPath,
    ...own,
    ...given,
    script,
    file,
    missing,
    ...(exec ? ["exec"] : []),
  )
    .envPass("PATH").envPass("HOME").envPass("TMPDIR").envPass("DENO_DIR").env(env);
  return { seen: JSON.parse((await cmd.run()).stdout), missing };
}

const PROGRAMS = ["echo", "cat"].flatMap((name) => [`/bin/${name}`, realpathSync(`/bin/${name}`)]);
const DENO = ["--allow-ffi", `--allow-run=${PROGRAMS.join()}`];
const onDeno = { skip: runtime === "deno" && driver === "native" ? undefined : "Deno's FFI" };
const NODE = ["--permission", `--allow-fs-read=${root}`, "--allow-ffi"];
const onNode = { skip: runtime === "node" && driver === "native" ? undefined : "Node's FFI" };

const LOADING = [
  "LD_PRELOAD",
  "LD_LIBRARY_PATH",
  "LD_AUDIT",
  "DYLD_INSERT_LIBRARIES",
  "sync LD_PRELOAD",
  "spawn LD_PRELOAD",
  "exec LD_PRELOAD",
];
const READING = ["stdin", "sync stdin"];
const WRITING = ["stdout", "stderr", "exec stdout", "pidFile"];

function assertRefused({ seen }: Told, names: readonly string[], by: RegExp): void {
  for (const name of names) assert(by.test(seen[name] ?? ""), `${name}: ${seen[name]}`);
}

conform("Deno: permission to run one program is not widened by variables of ld.so", async (t) => {
  const some = await reported(t, [...DENO, "--allow-read"], { env: { MARK: "inherited" } });
  assertEquals(some.seen["driver"], "native");
  assertRefused(some, LOADING, /NotCapable/);
  const { chosen, empty, inherited } = some.seen;
  assertEquals([chosen, empty, inherited], Array(3).fill("hello\n"));
  // What the program may not see itself is inherited all the same.
  assertEquals(some.seen["variables"], "MARK=inherited");
  // Who may run anything may.
  const all = await reported(
    t,
    ["--allow-ffi", "--allow-run", "--allow-read", "--allow-write=$F"],
    {
      exec: false,
    },
  );
  assertEquals(all.seen["LD_AUDIT"], "hello\n");
}, onDeno);

conform(
  "Deno: nor by those that are inherited, whether the program may see them or not",
  async (t) => {
    for (const flags of [[], ["--allow-env"]]) {
      const one = await reported(t, [...DENO, "--allow-read", ...flags], {
        env: { LD_LIBRARY_PATH: "/nowhere" },
      });
      assertRefused(one, ["inherited"], /NotCapable/);
      assertEquals(one.seen["chosen"], "hello\n");
    }
  },
  onDeno,
);

conform("Deno: files for streams and pids need the permission to read or write them", async (t) => {
  const none = await reported(t, [...DENO, `--allow-read=${root}`]);
  assertRefused(none, [...READING, ...WRITING], /NotCapable/);
  assert(!existsSync(none.missing));
  const read = await reported(t, [...DENO, `--allow-read=${root},$F`]);
  assertRefused(read, WRITING, /NotCapable/);
  assertEquals(READING.map((name) => read.seen[name]), ["content\n", "content\n"]);
  const write = await reported(t, [...DENO, `--allow-read=${root}`, "--allow-write=$F"], {
    exec: false,
  });
  assertRefused(write, READING, /NotCapable/);
  assertEquals([write.seen["stdout"], write.seen["stderr"]], ["0", "0"]);
}, onDeno);

conform("Node: FFI starts no program without --allow-child-process", async (t) => {
  const { seen, missing } = await reported(t, NODE);
  assertEquals(seen["driver"], "native");
  const { driver: _, ...others } = seen;
  assertRefused({ seen, missing }, Object.keys(others), /ERR_ACCESS_DENIED/);
  assert(!existsSync(missing));
}, onNode);

conform("Node: files for streams and pids need the permission to read or write them", async (t) => {
  const none = await reported(t, [...NODE, "--allow-child-process"]);
  assertRefused(none, [...READING, ...WRITING], /ERR_ACCESS_DENIED/);
  assertEquals(none.seen["chosen"], "hello\n");
  assert(!existsSync(none.missing));
  const read = await reported(t, [...NODE, "--allow-child-process", "--allow-fs-read=$F/*"]);
  assertRefused(read, WRITING, /ERR_ACCESS_DENIED/);
  assertEquals(READING.map((name) => read.seen[name]), ["content\n", "content\n"]);
}, onNode);
