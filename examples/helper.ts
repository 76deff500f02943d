/**
 * A daemon's helper: it gets what it needs and nothing else. The helper here is a shell script
 * that prints what it sees of itself in /proc/self.
 *
 * @module
 */

import { closeSync, mkdtempSync, openSync, rmdirSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command, secret } from "../mod.ts";
import { heading, report } from "./support/report.ts";

heading("helper: a program with chosen surroundings");

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
    // It is closed here once the helper was started, whatever became of it.
    .passFd(leases, { as: 7, closeParent: true })
    .stdin("a string, and no file anywhere");
  const key = helper.sendBuffer("more bytes, on a descriptor of their own");
  helper.args("-c", script, "helper", key);

  const display = /TOKEN=\S+/.exec(helper.toString())?.[0];
  console.log(`the secret as toString() shows it: ${display}; as the helper sees itself:`);
  const { stdout, status, usage, durationMs } = await helper.run({ timeout: 10_000 });
  console.log(stdout.trimEnd());
  const processor = usage.userMs + usage.systemMs;
  console.log(`it ended with ${status.code}, after ${processor.toFixed(1)} ms on a processor`);
  closeSync(notPassed);
  report({ "the helper": durationMs });
} finally {
  unlinkSync(file);
  rmdirSync(folder);
}
