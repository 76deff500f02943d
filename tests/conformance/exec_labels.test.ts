import { assertEquals } from "@std/assert";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { conform } from "../support/harness.ts";
import { program } from "../support/runtime.ts";

/** What the kernel itself says of its security modules. */
const PRESENT = {
  selinuxLabel: readFileSync("/proc/filesystems", "utf8").includes("selinuxfs"),
  apparmorProfile: existsSync("/sys/module/apparmor/parameters/enabled") &&
    readFileSync("/sys/module/apparmor/parameters/enabled", "utf8").startsWith("Y"),
};

for (const [feature, present] of Object.entries(PRESENT)) {
  conform(
    `exec: ${feature} without its security module is refused while the process is still whole`,
    async (t) => {
      const path = join(t.folder(), "file");
      const fd = openSync(path, "w+");
      t.defer(() => closeSync(fd));
      // Descriptor 3 is where a label once went that had nowhere else to go.
      const cmd = program("exec", feature).passFd(fd, { as: 3 }).umask(0o22);
      const { stdout, pid } = await cmd.run();
      assertEquals(stdout, `${pid}\nUnsupportedError true after\n0022 unlimited\n`);
      assertEquals(readFileSync(path, "utf8"), "");
    },
    {
      features: ["exec"],
      skip: present ? `this kernel has the security module of ${feature}` : undefined,
    },
  );
}
