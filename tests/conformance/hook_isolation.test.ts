import { assert, assertEquals } from "@std/assert";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { backendInfo, Command } from "../../mod.ts";
import { WAYS } from "../support/failures.ts";
import { conform, type Context } from "../support/harness.ts";
import { denoDirFor, programArgv } from "../support/runtime.ts";

const hook = (name: string) => new URL(`../support/hooks/${name}.ts`, import.meta.url);

/** Changes to a new folder until the test is over. */
function enter({ defer }: Context, folder: string): string {
  const before = process.cwd();
  process.chdir(folder);
  defer(() => process.chdir(before));
  return realpathSync(folder);
}

/** A folder full of what runtimes look for, and the file that is there once any of it was loaded. */
function poisoned(t: Context): { folder: string; evidence: string } {
  const [folder, evidence] = [t.folder(), join(t.folder(), "evidence")];
  const evil = `require("node:fs").writeFileSync(${JSON.stringify(evidence)}, "loaded");`;
  const module = `import { writeFileSync } from "node:fs";
    writeFileSync(${JSON.stringify(evidence)}, "loaded");
    export default () => {}; export const hookMain = () => {};`;
  writeFileSync(join(folder, "evil.cjs"), evil);
  writeFileSync(join(folder, "evil.mjs"), module);
  writeFileSync(join(folder, "bunfig.toml"), 'preload = ["./evil.cjs"]\n');
  writeFileSync(join(folder, ".env"), "POISON=env\nNODE_OPTIONS=--require=./evil.cjs\n");
  writeFileSync(join(folder, ".env.local"), "POISON=local\n");
  const imports = Object.fromEntries(
    [hook("system").href, "node:fs", "node:process"]
      .map((each) => [each, "./evil.mjs"]),
  );
  const nodeModulesDir = "manual";
  writeFileSync(join(folder, "deno.json"), JSON.stringify({ imports, nodeModulesDir }));
  writeFileSync(join(folder, "deno.lock"), "no lock file");
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "none", imports: 7 }));
  const paths = { "*": ["./evil.mjs"] };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: { paths } }));
  writeFileSync(
    join(folder, "node.config.json"),
    JSON.stringify({ nodeOptions: { import: "./evil.mjs" } }),
  );
  for (const name of ["fs", "process", "preload"]) {
    mkdirSync(join(folder, "node_modules", name), { recursive: true });
    writeFileSync(join(folder, "node_modules", name, "index.js"), evil);
  }
  return { folder, evidence };
}

for (const [way, start] of Object.entries(WAYS)) {
  conform(`${way}: nothing in the current folder is loaded but the hook`, async (t) => {
    const { folder, evidence } = poisoned(t);
    const real = enter(t, folder);
    const path = join(t.folder(), "seen");
    const child = await start(new Command("true").preExec(hook("system"), path));
    if (way === "spawn") await (child as { wait(): Promise<unknown> }).wait();
    const { loadedIn, cwd, env } = JSON.parse(readFileSync(path, "utf8"));
    assertEquals([loadedIn, cwd], [real, real]);
    assert(!("POISON" in env), env.POISON);
    assertEquals(env.NODE_OPTIONS, process.env["NODE_OPTIONS"]);
    assert(!existsSync(evidence), "something of the folder was loaded");
  });
}

conform(
  "the hook and the program are in the current folder, and no descriptor is left",
  async (t) => {
    const real = enter(t, t.folder());
    const path = join(t.folder(), "seen");
    const script = 'readlink /proc/self/cwd; ls -l /proc/$$/fd | grep -c " -> /$\\| -> $PWD$"';
    const cmd = new Command("sh", "-c", script).preExec(hook("system"), path);
    const { stdout } = await cmd.run({ check: false });
    assertEquals(stdout, `${real}\n0\n`);
    assertEquals(JSON.parse(readFileSync(path, "utf8")).cwd, real);
  },
);

conform("in the root of the file system a hook stays there", async (t) => {
  enter(t, "/");
  const path = join(t.folder(), "seen");
  const cmd = new Command("readlink", "/proc/self/cwd").preExec(hook("system"), path);
  assertEquals(await cmd.text(), "/\n");
  assertEquals(JSON.parse(readFileSync(path, "utf8")).cwd, "/");
});

conform(
  "a path counts from the current folder, and what a hook imports from the hook",
  async (t) => {
    const real = enter(t, t.folder());
    mkdirSync("hooks");
    writeFileSync("hooks/other.mjs", "export const other = (path) => path + ' of other';");
    writeFileSync(
      "hooks/main.mjs",
      `import { writeFileSync } from "node:fs"; import { other } from "./other.mjs";
     export default async (path) => writeFileSync(path, other(path) + (await import("./late.mjs")).late);`,
    );
    writeFileSync("hooks/late.mjs", "export const late = ', late';");
    for (const module of ["hooks/main.mjs", pathToFileURL(join(real, "hooks/main.mjs"))]) {
      await new Command("true").preExec(module, "written").run();
      assertEquals(readFileSync(join(real, "written"), "utf8"), "written of other, late");
    }
  },
);

conform("variables for runtimes reach the hook, and not its runtime", async (t) => {
  const evidence = join(t.folder(), "evidence");
  const evil = join(t.folder(), "evil.cjs");
  writeFileSync(evil, `require("node:fs").writeFileSync(${JSON.stringify(evidence)}, "loaded");`);
  const variables: Record<string, string> = {
    NODE_OPTIONS: `--require=${evil}`,
    NODE_V8_COVERAGE: join(t.folder(), "coverage"),
    BUN_OPTIONS: `--preload=${evil}`,
    BUN_INSPECT_PRELOAD: evil,
    DENO_V8_FLAGS: "--no-such-flag",
    DENO_COVERAGE_DIR: join(t.folder(), "coverage"),
  };
  for (const [name, value] of Object.entries(variables)) {
    const before = process.env[name];
    process.env[name] = value;
    t.defer(() => {
      if (before === undefined) delete process.env[name];
      else process.env[name] = before;
    });
  }
  const path = join(t.folder(), "seen");
  await new Command("true").preExec(hook("system"), path).run();
  const { env } = JSON.parse(readFileSync(path, "utf8"));
  for (const [name, value] of Object.entries(variables)) assertEquals(env[name], value, name);
  assert(!existsSync(evidence), "a variable had something loaded");
});

conform("a folder that may not be searched is where a hook and its program stay", async (t) => {
  const folder = t.folder();
  const seen = join(t.folder(), "seen");
  writeFileSync(seen, "");
  for (const path of [folder, seen]) chownSync(path, 65534, 65534);
  chmodSync(join(seen, ".."), 0o755);
  const cmd = Command.from(programArgv("unsearchable", seen)).cwd(folder)
    .envPass("PATH").envPass("VIRCOMMAND_DRIVER")
    .env({ ...denoDirFor(t), NODE_NO_WARNINGS: "1" })
    .uid(65534).gid(65534);
  assertEquals(await cmd.text(), `${realpathSync(folder)}\n`);
}, { root: true, features: ["preExec"] });

for (const [soft, hard] of [[100, 1000], [64, 64], [300, 4096]] as const) {
  conform(`a limit of ${soft} that a hook's runtime has raised is set again`, async () => {
    const cmd = new Command("sh", "-c", "ulimit -Sn; ulimit -Hn").limit("nofile", soft, hard)
      .preExec(hook("fail"), "fine");
    assertEquals(await cmd.text(), `${soft}\n${hard}\n`);
  });
}

const { runtime, driver } = backendInfo();

/** What a hook may do if its process was started with these flags. */
async function allowed(flags: readonly string[], paths: readonly string[] = []) {
  const [binary = "", ...argv] = programArgv("hook_permissions", ...paths);
  const own = runtime === "deno"
    ? ["run", "--quiet", "--no-check", "--no-prompt"]
    : ["--no-warnings"];
  const rest = runtime === "deno" ? argv.filter((each) => each.startsWith("/")) : argv;
  return JSON.parse(await new Command(binary, ...own, ...flags, ...rest).text());
}

const node = runtime === "node" && driver !== "portable";

conform("a hook's Node has the permissions of its process, and no others", async (t) => {
  const folder = realpathSync(t.folder());
  enter(t, folder);
  mkdirSync("inside");
  const flags = [
    "--permission",
    `--allow-fs-read=${new URL("../..", import.meta.url).pathname}`,
    "--allow-fs-read=./inside/",
    "--allow-fs-read=/proc",
    "--allow-fs-read=/dev/shm",
    "--allow-fs-read=/bin",
    "--allow-fs-read=/usr",
    "--allow-fs-read=/etc/passwd",
    "--allow-fs-write=*",
    "--allow-child-process",
    ...(driver === "native" ? ["--allow-ffi"] : []),
  ];
  const paths = [`${folder}/inside/x`, `${folder}/outside`, "/etc/shadow"];
  assertEquals(await allowed(flags, paths), {
    "fs.read": false,
    "fs.write": true,
    child: true,
    worker: false,
    addon: false,
    [paths[0] ?? ""]: true,
    [paths[1] ?? ""]: false,
    [paths[2] ?? ""]: false,
  });
  const all = ["--permission", "--allow-fs-read=*", "--allow-fs-write=*", "--allow-child-process"];
  const seen = await allowed([
    ...all,
    "--allow-worker",
    ...(driver === "native" ? ["--allow-ffi"] : []),
  ]);
  assertEquals([seen["fs.read"], seen.worker, seen.addon], [true, true, false]);
}, { skip: node ? undefined : "Node's permissions", features: ["preExec"] });

conform("a hook's Deno has no permission that its process has not", async () => {
  const none = { read: false, write: false, net: false, env: false, run: false, sys: false };
  const least = { ...none, env: true, run: true, ffi: true, import: false };
  const own = ["--allow-ffi", "--allow-run", "--allow-env"];
  assertEquals(await allowed(own), least);
  assertEquals(await allowed([...own, "--allow-read=/etc", "--allow-net=localhost"]), least);
  assertEquals(await allowed([...own, "--allow-read", "--deny-read=/etc"]), least);
  assertEquals(await allowed([...own, "--allow-read", "--allow-sys"]), {
    ...least,
    read: true,
    sys: true,
  });
  const everything = Object.fromEntries(Object.keys(least).map((name) => [name, true]));
  assertEquals(await allowed(["--allow-all"]), everything);
  assertEquals(await allowed(["--allow-all", "--deny-net=x.org"]), { ...everything, net: false });
}, { skip: runtime === "deno" && driver === "native" ? undefined : "Deno's permissions" });
