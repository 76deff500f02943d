import { assert, assertEquals, assertThrows } from "@std/assert";
import { backendInfo, Command, reapOrphans, UnsupportedError } from "../../mod.ts";
import { conform } from "../support/harness.ts";
import { programArgv } from "../support/runtime.ts";

const hasNative = (() => {
  try {
    backendInfo("native");
    return true;
  } catch {
    return false;
  }
})();

const lacking = hasNative ? undefined : "this runtime has no native driver";
const daemon = backendInfo().features["daemonize"] ? { daemon: "reaped" } : {};

conform("process 1 reaps orphans, and takes no status from its own children", async () => {
  const argv = programArgv("orphans", "first");
  const cmd = Command.from(["unshare", "--pid", "--fork", "--mount-proc", "--", ...argv]);
  assertEquals(await cmd.json(), { reaped: 5, children: "7,8,9", ours: 5, ...daemon, left: "Z" });
}, { root: true, needs: ["unshare"], skip: lacking, timeoutMs: 60_000 });

conform("a subreaper reaps the orphans among its descendants", async () => {
  const cmd = Command.from(programArgv("orphans", "subreaper"));
  assertEquals(await cmd.json(), {
    reaped: 5,
    children: "7,8,9",
    ours: 5,
    ...daemon,
    parent: false,
  });
}, { skip: lacking, timeoutMs: 60_000 });

conform("without FFI, reaping orphans is refused", () => {
  const error = assertThrows(() => reapOrphans());
  assert(error instanceof UnsupportedError, String(error));
  assertEquals([error.feature, error.driver], ["reapOrphans", "native"]);
}, { skip: hasNative ? "this runtime has the native driver" : undefined });
