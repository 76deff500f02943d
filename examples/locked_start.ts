/**
 * A supervisor must record a child before its program runs. When the child has done everything
 * except exec, the supervisor writes the pid into a lock file (or a cgroup, or an accounting
 * table). If the supervisor dies before that, the program never runs.
 *
 * @module
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "../mod.ts";
import { heading, report } from "./support/report.ts";

heading("a start under a lock");

const folder = mkdtempSync(join(tmpdir(), "vircommand-locked-"));
const lock = join(folder, "machine.lock");
try {
  const script = 'read owner <"$0"; echo "owner $owner, me $$"';
  const child = await new Command("sh", "-c", script, lock).stdout("capture").handshake().spawn();
  await child.handshakeWait();
  const before = child.state;
  writeFileSync(lock, `${child.pid}\n`, { flag: "wx" });
  await child.handshakeNotify();
  const { stdout } = await child.wait();
  const owner = readFileSync(lock, "utf8").trim();
  const same = stdout.trim() === `owner ${owner}, me ${owner}`;
  console.log(
    `locked while the child was ${before}; the program found its own pid in the lock: ${same}`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
report();
