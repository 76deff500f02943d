import { assert, assertEquals } from "@std/assert";
import process from "node:process";
import { backendInfo, Command } from "../../mod.ts";
import { conform } from "../support/harness.ts";
import { noMounts } from "../support/mounts.ts";
import { programArgv } from "../support/runtime.ts";

const { driver } = backendInfo();
const skip = driver === "portable"
  ? undefined
  : `only the portable driver connects to itself, and ${driver} serves`;

conform("merged outputs make nothing in any folder", async (t) => {
  const folder = t.folder();
  // A name that is made or removed in a folder changes its time.
  const script = `mount -t tmpfs none /dev/shm
    changed() { echo $(stat -c %y /dev/shm "$TMPDIR") >&2; }
    changed; "$@"; changed`;
  const { stdout, stderr } = await new Command(
    ...["unshare", "-m", "sh", "-c", script, "sh"],
    ...programArgv("chosen"),
  ).envPass("PATH").envPass("HOME").envPass("DENO_DIR")
    .env({ TMPDIR: folder, NODE_NO_WARNINGS: "1", VIRCOMMAND_DRIVER: "portable" }).run();
  assertEquals(JSON.parse(stdout).merged, "out\nerr\n");
  const [before, after] = stderr.trim().split("\n");
  assert(before !== undefined && /\d/.test(before), stderr);
  assertEquals(after, before);
}, { skip: skip ?? noMounts(), root: true, needs: ["unshare", "mount"] });

conform("merged outputs need no folder that can be written to", async () => {
  const script = `set -e
    for each in /dev/shm /tmp /var/tmp; do mount -t tmpfs -o ro none $each; done
    cd /proc; exec "$@"`;
  const { merged } = JSON.parse(
    await new Command("unshare", "-m", "sh", "-c", script, "sh", ...programArgv("chosen"))
      .envPass("PATH").env({
        HOME: "/tmp",
        DENO_DIR: process.env["DENO_DIR"] ?? "/tmp",
        NODE_NO_WARNINGS: "1",
        VIRCOMMAND_DRIVER: "portable",
      }).text(),
  );
  assertEquals(merged, "out\nerr\n");
}, { skip: skip ?? noMounts(), root: true, needs: ["unshare", "mount"] });
