// Runs programs of another user without the right to send them signals, and writes a report.
import { rmSync, writeFileSync } from "node:fs";
import process from "node:process";
import { Command, KillError, type RunOptions } from "../../../mod.ts";

const [report = "", marker = "", uid = ""] = process.argv.slice(2);

/** Goes on as long as the marker is there, whether anybody reads what it writes or not. */
const SCRIPT = "trap '' PIPE; while [ -e \"$0\" ]; do echo x; sleep 0.05; done 2>/dev/null";
const stays = () =>
  new Command("sh", "-c", SCRIPT, marker)
    .uid(Number(uid)).gid(Number(uid));

/** What a KillError says, wherever it is. */
const outcome = (error: unknown) => {
  const of = error as {
    name: string;
    killError?: unknown;
    result?: { stdout: string; code: null };
  };
  const kill = error instanceof KillError ? error : of.killError;
  return {
    name: of.name,
    code: kill instanceof KillError ? kill.code : String(error),
    errno: kill instanceof KillError ? kill.errno : NaN,
    signal: kill instanceof KillError ? kill.signal : "",
    pid: kill instanceof KillError ? kill.pid : 0,
    ended: of.result === undefined ? "" : String(of.result.code),
    timedOut: String((of.result as { timedOut?: boolean } | undefined)?.timedOut),
  };
};

const seen: Record<string, unknown> = {};
const attempt = async (what: string, action: () => unknown) => {
  try {
    seen[what] = { name: `nothing, but ${JSON.stringify(await action())}` };
  } catch (error) {
    seen[what] = outcome(error);
  }
};

/** With a limit that is not over before the program is another user's: until then it can be killed. */
const attemptInTime = async (what: string, action: (limits: RunOptions) => unknown) => {
  for (const timeout of [300, 1500, 7500]) {
    await attempt(what, () => action({ timeout, grace: 60_000 }));
    if ((seen[what] as { pid?: number }).pid !== 0) return;
  }
};

await attemptInTime("run, timeout", (limits) => stays().run(limits));
await attemptInTime(
  "run, signal",
  ({ timeout = 0, ...limits }) => stays().run({ ...limits, signal: AbortSignal.timeout(timeout) }),
);
await attemptInTime("run, check: false", (limits) => stays().run({ ...limits, check: false }));
await attempt("run, maxBuffer", () => stays().run({ maxBuffer: 0 }));
await attemptInTime("runSync, timeout", (limits) => stays().runSync(limits));
await attempt("runSync, maxBuffer", () => stays().runSync({ maxBuffer: 0 }));
await attempt("lines, left early", async () => {
  for await (const _ of stays().lines()) break;
});
await attemptInTime("lines, timeout", async (limits) => {
  for await (const _ of stays().lines(limits));
});
await attempt("runRegex, callback", () =>
  stays().runRegex(/./, () => {
    throw new RangeError("mine");
  }));
await attempt("input", async () => {
  async function* failing(): AsyncGenerator<string> {
    yield await Promise.resolve("half");
    throw new RangeError("no more");
  }
  await stays().stdin(failing()).run();
});
const child = await stays().spawn();
await attempt("kill", () => child.kill("SIGUSR1"));
await attempt("abort", () => child.abort());
await attempt("dispose", async () => {
  // As `await using` does, which Node 22 does not know.
  await (await stays().spawn())[Symbol.asyncDispose]();
});
await attemptInTime(
  "spawn, timeout",
  async (limits) => await (await stays().spawn(limits)).wait(),
);
const state = child.state;
// They may end now; the one that was kept is waited for.
rmSync(marker);
const { code } = await child.wait();
writeFileSync(report, JSON.stringify({ seen, state, code, closed: child.state }));
// Nothing is left that would keep this process alive.
