import { assertEquals } from "@std/assert";
import { backendInfo, Command } from "../../mod.ts";
import { conform, killHard } from "../support/harness.ts";
import { program, programArgv } from "../support/runtime.ts";

const WAYS: Record<string, string> = {
  SIGCHLD: "process.removeAllListeners('SIGCHLD')",
  all: "process.removeAllListeners()",
  copy: "a copy of the process, as in Jest",
};

const heard = backendInfo().driver !== "native" || "Deno" in globalThis ? "-" : "true";

for (const [how, name] of Object.entries(WAYS)) {
  conform(`the end of a child is noticed after ${name}`, async (t) => {
    const { stdout } = await program("unheard", how).run();
    const [codes, fast, hears, pid = ""] = stdout.trim().split(" ");
    t.defer(() => killHard(parseInt(pid)));
    assertEquals([codes, fast, hears], ["3", "true", how === "copy" ? "-" : heard]);
  });
}

const BLOCKED = ["env", "--block-signal=CHLD", "--"];

conform(
  "children end as they do although the parent was started with SIGCHLD blocked",
  async () => {
    const cmd = Command.from([...BLOCKED, ...programArgv("ends")]);
    assertEquals(await cmd.text(), "3 3 3\n");
  },
  { skip: blocksSignals() ? undefined : "this env(1) cannot block signals" },
);

function blocksSignals(): boolean {
  return new Command("env", "--block-signal=USR1", "true").runSync({ check: false }).code === 0;
}
