import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { backendInfo, Command, UnsupportedError, UsageError } from "../../mod.ts";
import { failure, WAYS } from "../support/failures.ts";
import { conform } from "../support/harness.ts";

type Label = (cmd: Command, label: string) => Command;

const LABELS: Record<string, Label> = {
  selinuxLabel: (cmd, label) => cmd.selinuxLabel(label),
  apparmorProfile: (cmd, label) => cmd.apparmorProfile(label),
};

/** What the kernel itself says of its security modules. */
const PRESENT: Record<string, boolean> = {
  selinuxLabel: readFileSync("/proc/filesystems", "utf8").includes("selinuxfs"),
  apparmorProfile: existsSync("/sys/module/apparmor/parameters/enabled") &&
    readFileSync("/sys/module/apparmor/parameters/enabled", "utf8").startsWith("Y"),
};

for (const [feature, set] of Object.entries(LABELS)) {
  const skip = PRESENT[feature] ? `this kernel has the security module of ${feature}` : undefined;

  for (const [way, start] of Object.entries(WAYS)) {
    conform(`${way}: ${feature} without its security module is unsupported`, async (t) => {
      const path = join(t.folder(), "started");
      const cmd = new Command("sh", "-c", "true").stdout({ file: path });
      const error = await failure(UnsupportedError, () => start(set(cmd, "a_label")));
      assertEquals([error.feature, error.driver], [feature, backendInfo().driver]);
      assertStringIncludes(error.message, feature);
      assertNotEquals(error.remedy, "");
      assert(!existsSync(path), "something was opened for a child");
    }, { skip });
  }

  conform(`${feature}: no daemon is started either, and no pid file is written`, async (t) => {
    const path = join(t.folder(), "pid");
    const cmd = () => set(new Command("sleep", 1000).daemonize().pidFile(path), "a_label");
    for (const start of Object.values(WAYS)) await failure(UnsupportedError, () => start(cmd()));
    assert(!existsSync(path));
  }, { skip });

  conform(`${feature}: a label that cannot be one is a misuse`, () => {
    for (const label of ["", "a\0b", 7, null, undefined]) {
      const { error } = set(new Command("true"), label as string);
      assert(error instanceof UsageError, String(label));
      assertStringIncludes(error.message, feature);
    }
  });

  conform(`${feature}: explain shows the step, whether the module is there or not`, () => {
    const text = set(new Command("true").uid(1).gid(1), "a_label").explain();
    assertStringIncludes(text, "a_label");
    assert(text.indexOf("a_label") < text.indexOf("setresuid"), text);
  });

  conform(`${feature}: the last label counts`, () => {
    const text = set(set(new Command("true"), "first"), "second").explain();
    assertStringIncludes(text, "second");
    assert(!text.includes("first"), text);
  });
}

conform("without a label, no security module is needed", async () => {
  assertEquals(await new Command("echo", "ran").text(), "ran\n");
});
