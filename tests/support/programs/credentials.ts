// Changes its own credentials by raw calls, without an exec in between, and then runs a command as
// its argument says; prints what the child saw, or the error.
import process from "node:process";
import { Command, syscalls } from "../../../mod.ts";
import { openKernel } from "../native.ts";

const { prepare = [], uid, gid, allow, steps, handshake } = JSON.parse(process.argv[2] ?? "{}");

const _LINUX_CAPABILITY_VERSION_3 = 0x2008_0522;

for (const [name, ...args] of prepare) {
  const kernel = await openKernel();
  if (name !== "capset") {
    kernel.call(name, ...args);
    continue;
  }
  // Effective and permitted; what is inheritable stays empty.
  const [low] = args as [number];
  kernel.bytes.fill(0, 0, 64);
  kernel.view.setUint32(0, _LINUX_CAPABILITY_VERSION_3, true);
  kernel.view.setUint32(8, low, true);
  kernel.view.setUint32(12, low, true);
  kernel.call("capset", kernel.scratch, kernel.scratch + 8);
}
try {
  const cmd = new Command("cat", "/proc/self/status").stdout("capture");
  if (uid !== undefined) cmd.uid(uid);
  if (gid !== undefined) cmd.gid(gid);
  for (const each of allow ?? []) cmd.allowCap(each);
  for (const [name, ...args] of steps ?? []) cmd.step(syscalls.raw(name, ...args));
  if (handshake === true) {
    const child = await cmd.handshake().spawn();
    await child.handshakeNotify();
    process.stdout.write((await child.wait()).stdout);
  } else {
    process.stdout.write((await cmd.run()).stdout);
  }
} catch (error) {
  process.stdout.write(String(error));
}
