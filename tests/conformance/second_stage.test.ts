// Where a child goes that leaves its parent's memory, when files in memory are limited or refused.
import { assertEquals } from "@std/assert";
import { existsSync } from "node:fs";
import { backendInfo, Command } from "../../mod.ts";
import { conform } from "../support/harness.ts";
import { program, programArgv } from "../support/runtime.ts";

const NOEXEC = "/proc/sys/vm/memfd_noexec";
const { driver, stage } = backendInfo();
const features = ["handshake", "preExec"];
const skip = driver === "native" ? undefined : "only the native driver has a second stage";

conform("a limit on the size of files is honoured, and kills nobody", async () => {
  const text = await program("second_stage", "limited").text();
  assertEquals(JSON.parse(text), { stage, handshake: 0, hook: "preExec EFBIG" });
}, { features, needs: ["prlimit"], skip });

for (const [value, expected] of [[0, "memfd"], [1, "memfd"], [2, "copy"]] as const) {
  conform(`with vm.memfd_noexec=${value}, children go on in a ${expected}`, async () => {
    // The setting belongs to a pid namespace, and is for good there.
    const set = `echo ${value} > ${NOEXEC} && exec "$@"`;
    const argv = ["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c", set, "sh"];
    const text = await Command.from([...argv, ...programArgv("second_stage")]).text();
    assertEquals(JSON.parse(text), { stage: expected, handshake: 0, hook: 0 });
  }, {
    root: true,
    needs: ["unshare"],
    features,
    skip: skip ?? (existsSync(NOEXEC) ? undefined : "the kernel has no vm.memfd_noexec"),
  });
}

conform("in a copy of the memory, the same commands do the same", async () => {
  const text = await Command.from(["env", "VIRCOMMAND_STAGE=copy", ...programArgv("second_stage")])
    .text();
  assertEquals(JSON.parse(text), { stage: "copy", handshake: 0, hook: 0 });
}, { features, skip });
