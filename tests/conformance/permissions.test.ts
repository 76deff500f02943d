import { assert, assertEquals, assertMatch } from "@std/assert";
import { realpathSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { backendInfo, Command } from "../../mod.ts";
import { conform } from "../support/harness.ts";

const { runtime, driver } = backendInfo();
const script = fileURLToPath(new URL("../support/programs/permitted.ts", import.meta.url));

/** What a program of this runtime tells that has these flags. */
async function reported(...flags: string[]): Promise<Record<string, string>> {
  const own = runtime === "deno"
    ? ["run", "--quiet", "--no-check", "--no-prompt"]
    : ["--no-warnings"];
  // The driver is its own choice.
  const cmd = new Command(process.execPath, ...own, ...flags, script).envPass("PATH").envPass(
    "HOME",
  )
    .envPass("TMPDIR").envPass("DENO_DIR");
  return JSON.parse((await cmd.run()).stdout);
}

const once = driver === "native" || (runtime === "node" && driver === "launcher");
const onDeno = { skip: runtime === "deno" && once ? undefined : "Deno's permissions" };
const permission = runtime === "node" && once;
const onNode = { skip: permission ? undefined : "Node's permissions" };

const works = { echo: "hello\n", sync: "hello\n", input: "200000", true: "0", spawn: "0" };

conform("Deno: without --allow-ffi the portable driver serves", async () => {
  assertEquals(await reported("--allow-run", "--allow-env"), { driver: "portable", ...works });
}, onDeno);

conform("Deno: --allow-run is respected, also by the driver that could do without", async () => {
  const echo = realpathSync("/bin/echo");
  for (
    const [flags, expected] of [
      [["--allow-ffi"], "native"],
      [[], "portable"],
    ] as const
  ) {
    const run = [`--allow-run=/bin/echo,${echo}`, "--allow-env", "--allow-read"];
    const seen = await reported(...run, ...flags);
    assertEquals(seen["driver"], expected);
    assertEquals([seen["echo"], seen["sync"]], ["hello\n", "hello\n"], expected);
    const refused = "PermissionError NotCapable run /bin/true NotCapable";
    assertEquals([seen["true"], seen["spawn"]], [refused, refused]);
  }
}, onDeno);

conform("Deno: with no permission at all there is a PermissionError, and no crash", async () => {
  const seen = await reported();
  for (const name of ["echo", "sync", "true", "spawn"]) {
    const [, permission] =
      /^PermissionError NotCapable (\w+) .*NotCapable$/.exec(seen[name] ?? "") ??
        [];
    assert(["run", "env", "read"].includes(permission ?? ""), `${name}: ${seen[name]}`);
  }
}, onDeno);

conform("Node: without --allow-child-process there is an error, and no crash", async () => {
  const seen = await reported("--permission", "--allow-fs-read=*");
  for (const name of ["echo", "sync", "true", "spawn"]) {
    assertMatch(
      seen[name] ?? "",
      /^PermissionError ERR_ACCESS_DENIED ChildProcess (\S+ )?Error$/,
      name,
    );
  }
}, onNode);

conform("Node: without leave to write, the portable driver serves", async () => {
  const seen = await reported("--permission", "--allow-fs-read=*", "--allow-child-process");
  assertEquals(seen, { driver: "portable", ...works });
}, onNode);

conform("Node: with leave to write, the launcher serves", async () => {
  const flags = [
    "--permission",
    "--allow-fs-read=*",
    "--allow-fs-write=*",
    "--allow-child-process",
  ];
  assertEquals(await reported(...flags), { driver: "launcher", ...works });
}, onNode);

conform("no warning of the runtime's reaches the user", async () => {
  const code = `import(${JSON.stringify(new URL("../../mod.ts", import.meta.url).href)})
    .then(({ Command }) => new Command("true").run())`;
  const flags = runtime === "deno" ? ["eval", "--no-check"] : ["-e"];
  const { stderr } = await new Command(process.execPath, ...flags, code).run();
  // That Node strips types is no matter of the package, which is JavaScript.
  assert(!/ffi|experimental/i.test(stderr.replace(/.*Type Stripping.*\n/, "")), stderr);
});
