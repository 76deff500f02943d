import { assertEquals, assertInstanceOf } from "@std/assert";
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import { backendInfo, Command, MaxBufferError, UnsupportedError } from "../../mod.ts";
import { conform, until } from "../support/harness.ts";

/** The processes that have a word in their command line. */
function running(word: string): string[] {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return false;
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").includes(word);
    } catch {
      return false;
    }
  });
}

const { runtime, driver } = backendInfo();
const skip = runtime === "deno" && driver === "portable"
  ? "Deno gathers all output of a synchronous run"
  : undefined;

let count = 0;

const IDENTITIES: Record<string, (cmd: Command) => Command> = {
  "the same user": (cmd) => cmd,
  "another user": (cmd) => cmd.user("nobody"),
  "another group": (cmd) => cmd.gid(65534),
  "another user with a capability": (cmd) => cmd.uid(65534).gid(65534).allowCap("net_raw"),
  "without capabilities": (cmd) => cmd.clearCaps(),
};

for (const [who, become] of Object.entries(IDENTITIES)) {
  conform(`a synchronous run that writes too much leaves no program: ${who}`, async (t) => {
    // A number of seconds that no other process sleeps.
    const word = `1000.${process.pid}${count++}`;
    t.defer(() => running(word).forEach((pid) => process.kill(Number(pid), "SIGKILL")));
    const cmd = new Command("sh", "-c", "head -c 300000 /dev/zero; exec sleep $0", word);
    let error: unknown;
    try {
      become(cmd).runSync({ maxBuffer: 1000 });
    } catch (thrown) {
      error = thrown;
    }
    if (error instanceof UnsupportedError) throw error;
    assertInstanceOf(error, MaxBufferError);
    await until("the program has ended", () => running(word).length === 0, 2000);
    assertEquals(running(word), []);
  }, { root: who !== "the same user", skip });
}
