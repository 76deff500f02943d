import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Command, syscalls } from "../../mod.ts";
import { failsToStart } from "../support/failures.ts";
import { conform } from "../support/harness.ts";

type PaletteCall = Parameters<Command["step"]>[0];

const { chdir, chroot, mount, pivot_root, sethostname, setns, umount2, unshare } = syscalls;

/** Why this user may not make namespaces of a kind, if it may not. */
function refusal(...calls: PaletteCall[]): string | undefined {
  const display = calls.map((call) => `${call.name}(${call.shown.join(", ")})`).join(" and ");
  try {
    new Command("true").step(...calls).runSync();
    return undefined;
  } catch (error) {
    return `needs ${display}: ${String((error as { code?: unknown }).code)}`;
  }
}

const hostname = () => new Command("cat", "/proc/sys/kernel/hostname");

conform("unshare and sethostname: a name of one's own", async () => {
  const own = await hostname().text();
  const named = hostname().step(unshare("CLONE_NEWUTS"), sethostname("vircommand"));
  assertEquals(await named.text(), "vircommand\n");
  assertEquals(await hostname().text(), own);
}, { root: true, skip: refusal(unshare("CLONE_NEWUTS")) });

conform("setns: the namespace of another process, through a passed descriptor", async (t) => {
  const holder = await new Command("sleep", 1000)
    .step(unshare("CLONE_NEWUTS"), sethostname("held")).spawn();
  t.defer(() => holder[Symbol.asyncDispose]());
  const fd = openSync(`/proc/${holder.pid}/ns/uts`, "r");
  t.defer(() => closeSync(fd));
  const enter = (type: "CLONE_NEWUTS" | "CLONE_NEWNET") =>
    hostname().passFd(fd, { as: 7 }).step(setns(7, type));
  assertEquals(await enter("CLONE_NEWUTS").text(), "held\n");
  const wrong = { step: "step", syscall: "setns", code: "EINVAL", errno: 22, exitCode: 125 };
  await failsToStart(() => enter("CLONE_NEWNET"), { ...wrong, path: undefined });
}, { root: true, skip: refusal(unshare("CLONE_NEWUTS")) });

/** Mounts that nobody else sees. */
const PRIVATE = [unshare("CLONE_NEWNS"), mount(null, "/", null, ["MS_REC", "MS_PRIVATE"])];

const noMounts = refusal(...PRIVATE, mount("none", "/proc", "tmpfs"));

conform("mount and umount2: a file system that only the child has", async ({ folder }) => {
  const dir = folder();
  const tmpfs = mount("vctest", dir, "tmpfs", ["MS_NOSUID", "MS_NODEV"], "size=64k");
  const mounts = () => new Command("cat", "/proc/self/mounts").step(...PRIVATE, tmpfs);
  assertMatch(await mounts().text(), new RegExp(`^vctest ${dir} tmpfs rw,nosuid,nodev.*64k`, "m"));
  const gone = await mounts().step(umount2(dir, "MNT_DETACH")).text();
  assert(!gone.includes("vctest"));
  assert(!readFileSync("/proc/self/mounts", "utf8").includes("vctest"));
}, { root: true, skip: noMounts });

/** A second view of the root file system, without what is mounted below it. */
const bare = (dir: string) => [...PRIVATE, mount("/", dir, null, "MS_BIND")];

conform("chroot: the child has another root", async ({ folder }) => {
  const dir = folder();
  const look = () => new Command("/bin/sh", "-c", "echo /proc/*");
  assertNotEquals(await look().text(), "/proc/*\n");
  assertEquals(await look().step(...bare(dir), chroot(dir), chdir("/")).text(), "/proc/*\n");
  const missing = { step: "step", syscall: "chroot", code: "ENOENT", errno: 2, exitCode: 125 };
  const path = join(dir, "none");
  await failsToStart(() => look().step(chroot(path)), { ...missing, path });
}, { root: true, skip: noMounts });

conform("pivot_root: the old root goes where it is told to", async ({ folder }) => {
  const dir = folder();
  const pivot = [...bare(dir), pivot_root(dir, join(dir, "proc")), chdir("/")];
  const test = new Command("/bin/sh", "-c", "test -e /proc/proc/1 && test -d /etc && echo moved");
  assertEquals(await test.step(...pivot).text(), "moved\n");
}, { root: true, skip: noMounts });

const noUsers = refusal(unshare("CLONE_NEWUSER"));

conform("unshare: a user namespace, which a child that shares memory could not make", async () => {
  const overflow = readFileSync("/proc/sys/kernel/overflowuid", "utf8");
  const id = () => new Command("id", "-u").step(unshare("CLONE_NEWUSER"));
  assertEquals(await id().text(), overflow);
  assertEquals(id().runSync().stdout, overflow);
  const named = hostname().step(unshare(["CLONE_NEWUSER", "CLONE_NEWUTS"]), sethostname("mine"));
  assertEquals(await named.text(), "mine\n");
}, { skip: noUsers });

conform("a failure in a user namespace is told as any other", async () => {
  const cmd = () => new Command("true").step(unshare("CLONE_NEWUSER"), chdir("/no/such/folder"));
  await failsToStart(cmd, {
    step: "step",
    syscall: "chdir",
    code: "ENOENT",
    errno: 2,
    path: "/no/such/folder",
    exitCode: 125,
  });
}, { skip: noUsers });
