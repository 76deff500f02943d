import { assert, assertEquals } from "@std/assert";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { backendInfo, Command, KillError } from "../../mod.ts";
import { failure } from "../support/failures.ts";
import { conform } from "../support/harness.ts";
import { programArgv } from "../support/runtime.ts";

const NOBODY = 65_534;

interface Seen {
  readonly name: string;
  readonly code: string;
  readonly errno: number;
  readonly signal: string;
  readonly pid: number;
  readonly ended: string;
  readonly timedOut: string;
}

/** The class of the error of each way in which a program is to be ended. */
const EXPECTED: Readonly<Record<string, string>> = {
  "run, timeout": "TimeoutError",
  "run, signal": "AbortError",
  "run, check: false": "TimeoutError",
  "run, maxBuffer": "MaxBufferError",
  "runSync, timeout": "TimeoutError",
  "runSync, maxBuffer": "MaxBufferError",
  "lines, left early": "KillError",
  "lines, timeout": "TimeoutError",
  "runRegex, callback": "KillError",
  "input": "KillError",
  "kill": "KillError",
  "abort": "KillError",
  "dispose": "KillError",
  "spawn, timeout": "TimeoutError",
};

const { driver, features } = backendInfo();

conform(
  "a program that may not be sent signals is reported when it should end, and not waited for",
  async ({ folder }) => {
    const path = folder();
    const [report, marker] = [join(path, "report"), join(path, "marker")];
    chmodSync(path, 0o755);
    writeFileSync(marker, "");
    // Without CAP_KILL; the marker is removed by the program when it has seen everything.
    const setpriv = ["setpriv", "--bounding-set=-kill", "--inh-caps=-kill"];
    const argv = [...setpriv, ...programArgv("refused", report, marker, String(NOBODY))];
    // Its children would go on for ever: that it ends shows that it waits for none of them.
    await Command.from(argv).stderr("inherit").run();
    const { seen, state, code, closed } = JSON.parse(readFileSync(report, "utf8")) as {
      seen: Record<string, Seen>;
      state: string;
      code: number;
      closed: string;
    };
    for (const [what, name] of Object.entries(EXPECTED)) {
      const way = seen[what];
      if (driver === "portable" && what.startsWith("runSync")) {
        // It would wait for the program, so that it does not start it.
        assertEquals(way?.name, "UnsupportedError", what);
        continue;
      }
      assertEquals([way?.name, way?.code, way?.errno], [name, "EPERM", 1], what);
      assertEquals(way?.signal, what === "kill" ? "SIGUSR1" : "SIGKILL", what);
      assert((way?.pid ?? 0) > 0, what);
      if (name === "TimeoutError") {
        assertEquals([way?.ended, way?.timedOut], ["null", "true"], what);
      }
    }
    assertEquals([state, code, closed], ["running", 0, "closed"]);
  },
  {
    root: true,
    needs: ["setpriv"],
    skip: features["uid"] === false ? `the ${driver} driver has no uid` : undefined,
    timeoutMs: 60_000,
  },
);

conform("a KillError says which signal could not be sent to whom, and why", async () => {
  const error = await failure(KillError, () => {
    throw new KillError({ pid: 4242, signal: 15, errno: 1, command: "sleep 1" });
  });
  assertEquals(
    [error.name, error.pid, error.signal, error.errno, error.code, error.command],
    ["KillError", 4242, "SIGTERM", 1, "EPERM", "sleep 1"],
  );
});

conform("a child that has ended is no refusal: there is nobody to get the signal", async () => {
  const child = await new Command("true").spawn();
  await child.wait();
  assertEquals([child.kill(), child.kill(0)], [false, false]);
  await child.abort();
});
