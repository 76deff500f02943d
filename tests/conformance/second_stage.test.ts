// Where a child goes that leaves its parent's memory, when files in memory are limited or refused.
import { assertEquals } from "@std/assert";
import { existsSync } from "node:fs";
import { backendInfo, Command } from "../../mod.ts";
import { conform } from "../support/harness.ts";
import { limitedProgramArgv, program, programArgv } from "../support/runtime.ts";

const NOEXEC = "/proc/sys/vm/memfd_noexec";
const { driver, stage } = backendInfo();
const features = ["handshake", "preExec"];
const skip = driver === "native" ? undefined : "only the native driver has a second stage";

conform("a limit on the size of files is honoured, and kills nobody", async () => {
  const text = await Command.from(limitedProgramArgv("second_stage", "limited")).text();
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

const REFUSALS = { EPERM: 1, EACCES: 13, EINVAL: 22, ENOSYS: 38 };

conform("a child whose file in memory may not be executed goes on in a copy", async () => {
  const text = await program("memfd_refused", "child", "13").text();
  assertEquals(text, "before memfd\nthe program 0027  copy\n");
}, { features, root: true, skip });

for (const [code, errno] of Object.entries(REFUSALS)) {
  conform(
    `exec: where files in memory are refused with ${code}, one on a disk is executed`,
    async () => {
      const text = await program("memfd_refused", "exec", String(errno)).text();
      assertEquals(text, "before memfd\nthe program\n0027\n");
    },
    { features: ["exec"], skip },
  );
}

conform("exec: what else goes wrong with the file is an error", async () => {
  const text = await program("memfd_refused", "exec", "12").text();
  assertEquals(text, "before memfd\nclone ENOMEM memfd\n");
}, { features: ["exec"], skip });

conform("exec: a limit on the size of files is an error, and kills nobody", async () => {
  const text = await Command.from(limitedProgramArgv("memfd_refused", "exec", "13", "0"))
    .text();
  assertEquals(text, "before memfd\nclone EFBIG memfd\n");
}, { features: ["exec"], needs: ["prlimit"], skip });
