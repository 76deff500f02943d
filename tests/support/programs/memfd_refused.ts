// Runs a command where files in memory can be made but not executed, as in the domain of a security
// module: a child that needs a second stage, or exec in place.
import { readlinkSync } from "node:fs";
import process from "node:process";
import { rewritePrograms } from "../../../backends/child_program/encode.ts";
import type { Libc } from "../../../backends/native/libc.ts";
import { nativeBackend } from "../../../backends/native/native.ts";
import { useBackend } from "../../../core/backend.ts";
import { backendInfo, Command, SpawnError } from "../../../mod.ts";
import { hostHere } from "../../injection/backends.ts";
import { ARCHES, openLibc } from "../native.ts";

const [what = "", errno = "", limit] = process.argv.slice(2);
const [x86_64, aarch64] = ARCHES;
const arch = process.arch === "arm64" ? aarch64 : x86_64;
if (arch === undefined) throw new Error("no architecture");

// The kernel decides about the child's own call; a flag that there is none is always refused.
const AT_EMPTY_PATH = 0x1000;
const NO_SUCH_FLAG = 0x4000_0000;
rewritePrograms(({ calls, cells }) => ({
  calls: calls.map((each) =>
    each.name === "execveat"
      ? { ...each, args: each.args.with(4, AT_EMPTY_PATH | NO_SUCH_FLAG) }
      : each
  ),
  cells,
}));
const libc = await openLibc();
const refusing: Libc = {
  ...libc,
  syscall(number, ...args) {
    const refused = number === arch.numbers.execveat &&
      readlinkSync(`/proc/self/fd/${args[0]}`).startsWith("/memfd:");
    return refused ? -Number(errno) : libc.syscall(number, ...args);
  },
};
const host = await hostHere();
useBackend(() => nativeBackend(host, refusing, arch, { reason: "", stage: undefined }));

const tell = (text: unknown) => process.stdout.write(`${text} ${backendInfo().stage}\n`);
if (limit !== undefined) {
  await new Command("prlimit", `--fsize=${limit}`, "--pid", process.pid).run();
}
tell("before");
const cmd = new Command("sh", "-c", "echo the program; umask").umask(0o27);
try {
  if (what === "exec") cmd.exec();
  tell((await cmd.uid(process.getuid?.() ?? 0).run()).stdout.replaceAll("\n", " "));
} catch (error) {
  tell(error instanceof SpawnError ? `${error.step} ${error.code}` : error);
}
