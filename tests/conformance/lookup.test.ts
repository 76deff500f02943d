import { assertEquals } from "@std/assert";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { Command, SpawnError } from "../../mod.ts";
import { failsToStart, failure } from "../support/failures.ts";
import { conform } from "../support/harness.ts";

/** A script that says which one it is. */
function tool(folder: string, name: string, says: string, mode = 0o755): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\necho ${says}\n`);
  chmodSync(path, mode);
  return path;
}

function inFolder(defer: (action: () => unknown) => void, folder: string): void {
  const before = process.cwd();
  process.chdir(folder);
  defer(() => process.chdir(before));
}

function withPath(defer: (action: () => unknown) => void, path: string | undefined): void {
  const before = process.env["PATH"] ?? "";
  if (path === undefined) delete process.env["PATH"];
  else process.env["PATH"] = path;
  defer(() => process.env["PATH"] = before);
}

conform("a bare name is looked up in the parent's PATH", async ({ folder, defer }) => {
  const dir = folder();
  const path = tool(dir, "vircommand-tool", "parent");
  withPath(defer, `/nowhere:${dir}:/bin`);
  const cmd = new Command("vircommand-tool");
  assertEquals(cmd.resolve(), path);
  assertEquals(await cmd.text(), "parent\n");
});

conform("a bare name is looked up in the child's PATH if the command sets one", async (t) => {
  const dir = t.folder();
  tool(join(dir, "parent"), "vircommand-tool", "parent");
  const path = tool(join(dir, "child"), "vircommand-tool", "child");
  withPath(t.defer, join(dir, "parent"));
  const cmd = new Command("vircommand-tool").env("PATH", `${join(dir, "child")}:/bin:/usr/bin`);
  assertEquals(cmd.resolve(), path);
  assertEquals(await cmd.text(), "child\n");
  assertEquals(cmd.runSync().stdout, "child\n");
});

conform("the first one in PATH is taken", async ({ folder, defer }) => {
  const dir = folder();
  tool(join(dir, "1"), "vircommand-tool", "first");
  tool(join(dir, "2"), "vircommand-tool", "second");
  withPath(defer, `${dir}/1:${dir}/2`);
  assertEquals(await new Command("vircommand-tool").text(), "first\n");
});

for (
  const [where, path] of Object.entries({
    "at the start": (rest: string) => `:${rest}`,
    "in the middle": (rest: string) => `/nowhere::${rest}`,
    "at the end": (rest: string) => `${rest}:`,
    "as the only one": () => "",
    "as a dot": (rest: string) => `.:${rest}`,
  })
) {
  conform(`an empty entry of PATH ${where} is the current folder`, async ({ folder, defer }) => {
    const dir = folder();
    tool(dir, "vircommand-tool", "here");
    inFolder(defer, dir);
    const cmd = new Command("vircommand-tool").env("PATH", path("/bin"));
    assertEquals(await cmd.text(), "here\n");
  });
}

conform("a relative entry of PATH counts from the parent's folder, not from cwd()", async (t) => {
  const dir = t.folder();
  tool(join(dir, "bin"), "vircommand-tool", "found");
  inFolder(t.defer, dir);
  const cmd = new Command("vircommand-tool").env("PATH", "bin").cwd("/");
  assertEquals(await cmd.text(), "found\n");
});

conform("a file that is not executable is passed over", async ({ folder, defer }) => {
  const dir = folder();
  tool(join(dir, "1"), "vircommand-tool", "not executable", 0o644);
  tool(join(dir, "2"), "vircommand-tool", "executable");
  withPath(defer, `${dir}/1:${dir}/2`);
  assertEquals(await new Command("vircommand-tool").text(), "executable\n");
});

conform("a folder of that name is passed over", async ({ folder, defer }) => {
  const dir = folder();
  mkdirSync(join(dir, "1", "vircommand-tool"), { recursive: true });
  tool(join(dir, "2"), "vircommand-tool", "a file");
  withPath(defer, `${dir}/1:${dir}/2`);
  assertEquals(await new Command("vircommand-tool").text(), "a file\n");
});

conform("entries that are no folders are passed over", async ({ folder, defer }) => {
  const dir = folder();
  tool(dir, "vircommand-tool", "found");
  withPath(defer, `/etc/passwd:/no/such/folder:${dir}`);
  assertEquals(await new Command("vircommand-tool").text(), "found\n");
});

conform(
  "a file that is not executable is remembered: EACCES if nothing better comes",
  async (t) => {
    const dir = t.folder();
    const path = tool(join(dir, "1"), "vircommand-tool", "not executable", 0o644);
    await failsToStart(() => new Command("vircommand-tool").env("PATH", `${dir}/1:/bin`), {
      step: "exec",
      syscall: "execve",
      code: "EACCES",
      errno: 13,
      path,
      exitCode: 126,
    });
  },
);

conform("a missing bare name fails as a missing path does", async () => {
  const expected = {
    step: "exec",
    syscall: "execve",
    code: "ENOENT",
    errno: 2,
    exitCode: 127,
  };
  const bare = "vircommand-no-such-tool";
  await failsToStart(() => new Command(bare), { ...expected, path: bare });
  const path = `/nowhere/${bare}`;
  await failsToStart(() => new Command(path), { ...expected, path });
});

conform("resolve throws the SpawnError of a missing program", async () => {
  const error = await failure(SpawnError, () => new Command("vircommand-no-such-tool").resolve());
  assertEquals([error.code, error.step, error.exitCode], ["ENOENT", "exec", 127]);
});

conform("with no PATH anywhere, /bin and /usr/bin are searched", async ({ defer }) => {
  withPath(defer, undefined);
  assertEquals(await new Command("echo", "found").text(), "found\n");
});

conform("a name with a slash is taken from the parent's folder, not searched", async (t) => {
  const dir = t.folder();
  tool(join(dir, "sub"), "vircommand-tool", "here");
  inFolder(t.defer, dir);
  const cmd = new Command("sub/vircommand-tool").cwd("/");
  assertEquals(await cmd.text(), "here\n");
  assertEquals(await new Command("./sub/vircommand-tool").text(), "here\n");
  assertEquals(cmd.argv[0], "sub/vircommand-tool");
  assertEquals(cmd.resolve().endsWith("/sub/vircommand-tool"), true);
  assertEquals(cmd.resolve().startsWith("/"), true);
});

conform("a symbolic link runs what it leads to, under the link's name", async ({ folder }) => {
  const dir = folder();
  const path = tool(dir, "real", '"$0"');
  symlinkSync(path, join(dir, "link"));
  assertEquals(await new Command(join(dir, "link")).text(), `${join(dir, "link")}\n`);
});
