// Runs commands while all objects inherit a property, one after the other, and writes a report.
import { writeFileSync } from "node:fs";
import process from "node:process";
import { Command, dryRun, UnsupportedError } from "../../../mod.ts";

const [report = ""] = process.argv.slice(2);

/** Options of the library, of the runtimes' spawners, and fields of what is made of a command. */
const VALUES: Readonly<Record<string, unknown>> = {
  append: true,
  argv0: "evil",
  as: 9,
  bytes: new Uint8Array(4),
  call: "x",
  cell: "x",
  check: false,
  clearEnv: true,
  closeParent: true,
  code: 9,
  cwd: "/usr",
  daemonPid: 1,
  default: "EVIL",
  detached: true,
  drain: 0,
  driver: "portable",
  each: [1],
  env: { EVIL: "1" },
  envPairs: ["EVIL=1"],
  exit: undefined,
  fd: 0,
  file: "/nowhere",
  gid: 65_534,
  grace: 0,
  handshake: true,
  ignorePrefix: "o",
  input: "EVIL",
  into: { cell: "x" },
  ipc: () => {},
  jumps: { error: "x" },
  killSignal: 9,
  label: "x",
  late: true,
  lineBreaks: true,
  lost: true,
  maxBuffer: 0,
  mode: 0,
  okCodes: [5],
  refusal: new Error("evil"),
  release: () => {},
  report: 1,
  shell: true,
  signal: AbortSignal.abort(),
  stderr: "inherit",
  stdin: "inherit",
  stdio: "inherit",
  stdout: "inherit",
  stripPath: true,
  terminal: {},
  text: "EVIL",
  texts: ["EVIL"],
  timeout: 1,
  uid: 65_534,
  windowsHide: true,
  words: [1],
  zeros: true,
};

const script = 'printf "%s|" "$(id -u)" "$PWD" "$EVIL" "$A" "$(cat)"';

/** On Deno, the portable driver has no input for it. */
function synchronously(cmd: Command): string {
  try {
    return cmd.runSync({}).stdout;
  } catch (error) {
    if (error instanceof UnsupportedError) return error.feature;
    throw error;
  }
}

async function seen(): Promise<string> {
  const cmd = () => new Command("/bin/sh", "-c", script).stdin("in").env("A", 1).envPass("NO_SUCH");
  const lines: string[] = [];
  for await (const line of new Command("printf", "one\\ntwo\\n").lines()) lines.push(line);
  const groups: unknown[] = [];
  await new Command("echo", "one").runRegex(/(.*)/, (each) => void groups.push(...each), {});
  const child = await new Command("cat").stdin("pipe").stdout("pipe").spawn({});
  const writer = child.stdin.getWriter();
  await writer.write("through");
  await writer.close();
  const through = await new Response(child.stdout).text();
  await child.wait({});
  const dry = await dryRun(() => ({ stdout: "dry" }), () => new Command("no-such").run({}));
  return [
    (await cmd().run({})).stdout,
    synchronously(cmd()),
    (await new Command("sh", "-c", "exit 3").run({ check: false })).code,
    cmd().toString({}),
    ...lines,
    ...groups,
    through,
    dry.stdout,
    dry.code,
  ].join(" ");
}

const READ_ONLY = new Set(["cwd", "uid", "gid", "signal"]);

const clean = await seen();
const different: Record<string, string> = {};
for (const [key, value] of Object.entries(VALUES)) {
  // One that cannot be written over keeps a runtime from setting the same property of its own.
  for (const writable of READ_ONLY.has(key) ? [true, false] : [true]) {
    const property = { value, writable, configurable: true };
    Object.defineProperty(Object.prototype, key, property);
    const outcome = await seen().catch((error: unknown) => String(error));
    Reflect.deleteProperty(Object.prototype, key);
    if (outcome !== clean) different[`${key}${writable ? "" : ", read-only"}`] = outcome;
  }
}
writeFileSync(report, JSON.stringify({ clean, different }));
