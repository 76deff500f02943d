/**
 * On a kernel that enforces the policy of scripts/vm/guest/policy.cil.
 *
 * @module
 */

import { Command } from "../../mod.ts";
import { failsToStart } from "../support/failures.ts";
import { conform } from "../support/harness.ts";
import { testLabels } from "./labels.ts";

testLabels({
  module: "selinux",
  set: (cmd, label) => cmd.selinuxLabel(label),
  label: "u:r:child_t",
  shown: "u:r:child_t\0",
  unknown: "u:r:unknown_t",
  code: "EINVAL",
  errno: 22,
  message: "the loaded policy has no such context",
  poor: "u:r:poor_t",
  poorMessage: "the policy does not let this process choose labels",
});

for (const label of ["garbage", "u:r", "u:r:child_t:s0", "u:r:file_t"]) {
  conform(`${label} is no context, which is a SpawnError`, async () => {
    const expected = { step: "selinux", syscall: "write", code: "EINVAL", errno: 22 };
    const cmd = () => new Command("true").selinuxLabel(label);
    await failsToStart(cmd, { ...expected, path: undefined, exitCode: 125 });
  });
}

const REFUSED: Record<string, string> = {
  "u:r:denied_t": "a context to which there is no transition",
  "u:r:noentry_t": "a context of which the program is no entry point",
};

for (const [label, what] of Object.entries(REFUSED)) {
  conform(`${what} is refused by exec`, async () => {
    await failsToStart(() => new Command("/bin/true").selinuxLabel(label), {
      step: "exec",
      syscall: "execve",
      code: "EACCES",
      errno: 13,
      path: "/bin/true",
      exitCode: 126,
    });
  });
}
