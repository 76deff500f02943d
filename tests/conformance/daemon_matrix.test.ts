// A daemon with a pid file, a hook and a handshake, in every combination, started in every way, and
// whatever becomes of it: it runs, or nothing of it is left.
import { assert, assertEquals } from "@std/assert";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  AbortError,
  type Child,
  Command,
  HandshakeError,
  type RunOptions,
  SpawnError,
  TimeoutError,
  UnsupportedError,
} from "../../mod.ts";
import { endDaemon } from "../support/daemons.ts";
import { failure, thrown } from "../support/failures.ts";
import { conform, type Context, isRunning, killHard, until } from "../support/harness.ts";
import { withLimit } from "../support/patience.ts";
import { program } from "../support/runtime.ts";

/** What a daemon has, and how it is started. */
interface Combination {
  readonly pidFile: boolean;
  readonly preExec: boolean;
  readonly handshake: boolean;
  readonly way: "run" | "runSync" | "spawn";
}

const BOTH = [false, true];

const COMBINATIONS: readonly Combination[] = BOTH.flatMap((pidFile) =>
  BOTH.flatMap((preExec) => [
    ...(["run", "runSync", "spawn"] as const).map((way) => ({
      pidFile,
      preExec,
      handshake: false,
      way,
    })),
    // Only spawn() leaves somebody to talk to the child.
    { pidFile, preExec, handshake: true, way: "spawn" as const },
  ])
);

function titleOf({ pidFile, preExec, handshake, way }: Combination): string {
  const parts = [pidFile && "a pid file", preExec && "a hook", handshake && "a handshake"];
  const has = parts.filter((each) => each !== false).join(" and ");
  return `${way}, a daemon${has === "" ? "" : ` with ${has}`}`;
}

const hookUrl = (name: string) => new URL(`../support/hooks/${name}.ts`, import.meta.url).href;

/** The places of one daemon. */
function placesIn(t: Context) {
  const folder = t.folder();
  return {
    pidFile: join(folder, "pid"),
    touched: join(folder, "touched"),
    hookPid: join(folder, "hook pid"),
    fifo: join(folder, "gate"),
  };
}

type Places = ReturnType<typeof placesIn>;

/** A program that leaves a trace of having run, and goes on. */
const argvOf = ({ touched }: Places) => ["sh", "-c", 'echo > "$0"; exec sleep 1000', touched];

/** The command; with a hook that does as `hook` says, or nothing. */
function commandFor(
  { pidFile, preExec, handshake }: Combination,
  places: Places,
  hook: readonly [name: string, data: unknown] = ["fail", "not"],
): Command {
  const cmd = Command.from(argvOf(places)).daemonize();
  if (pidFile) cmd.pidFile(places.pidFile);
  if (preExec) cmd.preExec(hookUrl(hook[0]), hook[1]);
  if (handshake) cmd.handshake();
  return cmd;
}

/** Starts it; with a handshake the child is not ready yet, or waits. */
async function start(
  { way }: Combination,
  cmd: Command,
  options: RunOptions = {},
): Promise<{ daemonPid: number | undefined; child?: Child }> {
  if (way === "runSync") return cmd.runSync(options);
  if (way === "run") return await cmd.run(options);
  const child = await cmd.spawn(options);
  return { daemonPid: child.pid, child };
}

/** Checks that a daemon that did not come to its program is gone, and its pid file with it. */
async function expectNothing(places: Places, pid?: number): Promise<void> {
  assert(!existsSync(places.touched), "the program has run");
  assert(!existsSync(places.pidFile), "the pid file is left");
  const known = pid ?? (existsSync(places.hookPid) ? pidIn(places.hookPid) : undefined);
  if (known !== undefined) await until("the daemon is gone", () => !isRunning(known));
}

/** Checks that something ends with an error of a class; that a driver cannot do it is another matter. */
async function expectError<E extends Error>(
  type: abstract new (...args: never[]) => E,
  action: () => unknown,
): Promise<void> {
  const error = await thrown(action);
  if (error instanceof UnsupportedError) throw error;
  assert(error instanceof type, `expected a ${type.name}, got ${String(error)}`);
}

const pidIn = (path: string) => Number(readFileSync(path, "utf8"));

const hookRuns = ({ hookPid }: Places) => existsSync(hookPid) && pidIn(hookPid) > 0;

const makeFifo = (path: string) => new Command("mkfifo", path).runSync();

/** What is refused in another process cannot be seen here. */
function featuresOf({ pidFile, preExec, handshake }: Combination): string[] {
  return [
    "daemonize",
    ...(pidFile ? ["pidFile"] : []),
    ...(preExec ? ["preExec"] : []),
    ...(pidFile && preExec ? ["preExec with pidFile"] : []),
    ...(handshake ? ["handshake"] : []),
  ];
}

for (const combination of COMBINATIONS) {
  const title = titleOf(combination);
  const { pidFile, preExec, handshake, way } = combination;

  conform(`${title}: it runs`, async (t) => {
    const places = placesIn(t);
    const { daemonPid, child } = await start(combination, commandFor(combination, places));
    assert(daemonPid !== undefined && daemonPid > 0);
    t.defer(() => endDaemon(daemonPid));
    if (handshake && child !== undefined) {
      await child.handshakeWait();
      assert(!existsSync(places.touched));
      await child.handshakeNotify();
      assertEquals((await child.wait()).daemonPid, daemonPid);
    }
    await until("the program runs", () => existsSync(places.touched));
    assert(isRunning(daemonPid));
    if (pidFile) assertEquals(pidIn(places.pidFile), daemonPid);
  });

  conform(`${title}: an exec that fails leaves nothing`, async (t) => {
    const places = placesIn(t);
    const cmd = commandFor(combination, places);
    // Found beforehand, and no program all the same: its interpreter is missing.
    const script = join(t.folder(), "script");
    writeFileSync(script, "#!/no/such/interpreter\n", { mode: 0o755 });
    const failing = Command.from([script]).daemonize();
    if (pidFile) failing.pidFile(places.pidFile);
    if (preExec) failing.preExec(hookUrl("fail"), "not");
    if (handshake) failing.handshake();
    assertEquals(cmd.error, undefined);
    let pid: number | undefined;
    const error = await failure(SpawnError, async () => {
      const { child } = await start(combination, failing);
      pid = child?.pid;
      await child?.handshakeNotify();
    });
    assertEquals([error.step, error.code, error.path], ["exec", "ENOENT", "/no/such/interpreter"]);
    await expectNothing(places, pid);
  });

  if (preExec) {
    conform(`${title}: a hook that fails leaves nothing`, async (t) => {
      const places = placesIn(t);
      const cmd = commandFor(combination, places, ["fail", "throw"]);
      const error = await failure(SpawnError, () => start(combination, cmd));
      assertEquals(error.step, "preExec");
      assert(error.message.includes("the lock is taken"), error.message);
      await expectNothing(places);
    });
  }

  const STOPS = { "the time limit": TimeoutError, "an abort": AbortError };
  for (const [what, type] of Object.entries(STOPS)) {
    // Else there is no moment at which it could be stopped.
    if (!preExec && !handshake) continue;
    if (way === "runSync" && what === "an abort") continue;

    if (preExec) {
      conform(`${title}: ${what} ends it in its hook`, async (t) => {
        const stopped = (options: RunOptions) => {
          const places = placesIn(t);
          makeFifo(places.fifo);
          const data = { pidPath: places.hookPid, fifo: places.fifo };
          const cmd = commandFor(combination, places, ["gate", data]);
          const error = expectError<Error>(type, async () => {
            const { child } = await start(combination, cmd, options);
            await child?.wait();
          });
          return { places, error };
        };
        if (what === "an abort") {
          const controller = new AbortController();
          const { places, error } = stopped({ signal: controller.signal });
          let over = false;
          error.catch(() => {}).finally(() => over = true);
          await until("its hook runs", () => over || hookRuns(places));
          controller.abort();
          await error;
          await expectNothing(places);
        } else {
          await withLimit(
            async (timeout) => {
              const { places, error } = stopped({ timeout, grace: 0 });
              await error;
              await expectNothing(places);
              return hookRuns(places);
            },
            (inTime) => inTime,
            400,
          );
        }
      });
    }

    if (handshake) {
      conform(`${title}: ${what} ends it at its handshake`, async (t) => {
        const places = placesIn(t);
        // Far away at first: the hook needs its time, and there is nothing to wait for after it.
        const controller = new AbortController();
        const cmd = commandFor(combination, places);
        const child = await cmd.spawn(what === "an abort" ? { signal: controller.signal } : {});
        const { pid } = child;
        await child.handshakeWait();
        assert(isRunning(pid));
        if (pidFile) assertEquals(pidIn(places.pidFile), pid);
        const waiting = what === "an abort" ? child.wait() : child.wait({ timeout: 10, grace: 0 });
        controller.abort();
        await expectError<Error>(type, () => waiting);
        await expectNothing(places, pid);
      });
    }
  }

  if (handshake) {
    conform(`${title}: a daemon that is killed at its handshake never ran`, async (t) => {
      const places = placesIn(t);
      const child = await commandFor(combination, places).spawn();
      await child.handshakeWait();
      killHard(child.pid);
      await expectError(HandshakeError, () => child.wait());
      await expectNothing(places, child.pid);
    });

    conform(`${title}: disposing of it at its handshake leaves nothing`, async (t) => {
      const places = placesIn(t);
      const child = await commandFor(combination, places).spawn();
      await child.handshakeWait();
      await child[Symbol.asyncDispose]();
      await expectNothing(places, child.pid);
    });
  }

  if (preExec || handshake) {
    conform(`${title}: if its parent is killed before, the program never runs`, async (t) => {
      const places = placesIn(t);
      makeFifo(places.fifo);
      const data = { pidPath: places.hookPid, fifo: places.fifo };
      const parent = await program(
        "starts_daemon",
        JSON.stringify({
          argv: argvOf(places),
          ...(pidFile ? { pidFile: places.pidFile } : {}),
          ...(preExec ? { hook: hookUrl("gate"), data } : {}),
          handshake,
          sync: way === "runSync",
        }),
      ).stdout("pipe").stderr("inherit").spawn();
      t.defer(() => parent[Symbol.asyncDispose]());
      let pid: number;
      if (preExec) {
        await until("the hook runs", () => hookRuns(places));
        pid = pidIn(places.hookPid);
      } else {
        const { value } = await parent.stdout.getReader().read();
        pid = parseInt(new TextDecoder().decode(value));
      }
      t.defer(() => killHard(pid));
      assert(isRunning(pid));
      parent.kill("SIGKILL");
      await parent.wait({ check: false });
      if (preExec) writeFileSync(places.fifo, "");
      await until("the daemon is gone", () => !isRunning(pid));
      assert(!existsSync(places.touched));
    }, { features: featuresOf(combination) });
  }
}
