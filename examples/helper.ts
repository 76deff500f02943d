/**
 * A daemon starts a helper that gets only what it needs. The helper in this example is a shell
 * script that prints its own state from /proc/self.
 *
 * @module
 */

import { closeSync, mkdtempSync, openSync, rmdirSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command, secret } from "../mod.ts";
import { heading, report } from "./support/report.ts";

heading("helper: a program with a chosen environment and descriptors");

const script = `
echo "arguments:   $*"
echo "environment:" && env | grep -v -e ^PWD= -e ^_= -e ^SHLVL= | sed 's/^/  /'
echo "folder:      $(pwd)"
echo "umask:       $(umask)"
echo "open files:  $(ulimit -S -n), at most $(ulimit -H -n)"
echo "core files:  $(ulimit -c)"
echo "signals ignored and blocked:" && grep -E '^Sig(Ign|Blk)' /proc/self/status | sed 's/^/  /'
echo "descriptors:" && ls -l /proc/self/fd | sed -n 's/.* \\([0-9]* -> .*\\)/  \\1/p'
echo "descriptor 7: $(head -n 1 <&7)"
echo "descriptor $1: $(cat <&"$1")"
echo "input:       $(cat)"
`;

const folder = mkdtempSync(join(tmpdir(), "vircommand-"));
const file = join(folder, "leases");
writeFileSync(file, "52:54:00:12:34:56 192.168.122.10\n");
try {
  const leases = openSync(file, "r");
  const notPassed = openSync(file, "r");

  const helper = new Command("sh")
    .envPassCommon()
    .env({ LEASES: "7", TOKEN: secret("xyzzy") })
    .cwd(folder)
    .umask(0o027)
    .limit("nofile", 64, 128)
    .maxCoreSize(0)
    // This process closes it after the start, even if the start fails.
    .passFd(leases, { as: 7, closeParent: true })
    .stdin("a string, not a file");
  const key = helper.sendBuffer("more bytes, on a separate descriptor");
  helper.args("-c", script, "helper", key);

  const display = /TOKEN=\S+/.exec(helper.toString())?.[0];
  console.log(`toString() shows the secret as ${display}; the helper sees:`);
  const { stdout, status, usage, durationMs } = await helper.run({ timeout: 10_000 });
  console.log(stdout.trimEnd());
  const processor = usage.userMs + usage.systemMs;
  console.log(
    `it exited with ${status.code} and used ${processor.toFixed(1)} ms of processor time`,
  );
  closeSync(notPassed);
  report({ "the helper": durationMs });
} finally {
  unlinkSync(file);
  rmdirSync(folder);
}
