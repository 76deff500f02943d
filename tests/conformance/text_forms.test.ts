import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Command, quote, SpawnError } from "../../mod.ts";
import { failure } from "../support/failures.ts";
import { conform } from "../support/harness.ts";

conform("toString shows environment and arguments as a shell would take them", () => {
  const cmd = new Command("true", "F", "G  H").env("A", "B").env("C", "D  E");
  assertEquals(cmd.toString(), "A=B C='D  E' true F 'G  H'");
  assertEquals(`${cmd}`, cmd.toString());
});

conform("empty text is quoted, an inner quote is escaped", () => {
  assertEquals(new Command("p", "", "it's").toString(), "p '' 'it'\\''s'");
  assertEquals(new Command("p").env("A", "").toString(), "A='' p");
});

const SPECIAL = [..." \t\n!\"#$&'()*;<>?[\\]^{|}~`"];
const PLAIN = ["a", "Z9", "-x", "--long=1", "/usr/bin", "a,b", "a:b", "%", "@", "+", "_", ".", "ü"];

conform("text is quoted if and only if it has a character that a shell would take amiss", () => {
  for (const each of SPECIAL) {
    const quoted = quote(`a${each}b`);
    assert(quoted.startsWith("'") && quoted.endsWith("'"), quoted);
  }
  for (const each of PLAIN) assertEquals(quote(each), each);
  assertEquals(quote(""), "''");
});

conform("what a shell makes of toString is the command itself", async () => {
  const args = ["", " ", "it's", '"', "$HOME", "`id`", "a\nb", "*", "\\", "~", "!", "a'b'c", "#x"];
  const cmd = new Command("printf", "%s\\0", ...args).env("A", "x y'z").env(
    "PATH",
    "/bin:/usr/bin",
  );
  const { stdout } = await new Command("sh", "-c", cmd.toString()).run();
  assertEquals(stdout.split("\0").slice(0, -1), args);
});

conform("toString can break the line after each variable and before each option", () => {
  const cmd = new Command("/usr/bin/dnsmasq", "--conf-file", "/etc/x", "-d", "a")
    .env("A", "B").env("C", "D E");
  assertEquals(
    cmd.toString({ lineBreaks: true }),
    [
      "A=B \\",
      "C='D E' \\",
      "/usr/bin/dnsmasq \\",
      "--conf-file /etc/x \\",
      "-d a",
    ].join("\n"),
  );
});

conform("toString can leave the folder of the binary away", () => {
  const cmd = new Command("/usr/sbin/dnsmasq", "/etc/x");
  assertEquals(cmd.toString({ stripPath: true }), "dnsmasq /etc/x");
  assertEquals(new Command("true").toString({ stripPath: true }), "true");
});

conform("toString does not need the program to be there, and runs nothing", ({ folder }) => {
  const path = join(folder(), "touched");
  assertEquals(new Command("/no/such/program", "a").toString(), "/no/such/program a");
  new Command("touch", path).toString();
  new Command("touch", path).explain();
  assert(!existsSync(path));
});

conform("writeArgLog writes the same unquoted on one line to a descriptor", async (t) => {
  const path = join(t.folder(), "log");
  const fd = openSync(path, "w");
  t.defer(() => closeSync(fd));
  await new Command("true", "F", "G  H").env("A", "B").env("C", "D  E").writeArgLog(fd);
  await new Command("second").writeArgLog(fd);
  assertEquals(readFileSync(path, "utf8"), "A=B C=D  E true F G  H\nsecond\n");
});

conform("writeArgLog writes to a stream and leaves it open", async () => {
  let text = "";
  let closed = false;
  const stream = new WritableStream<Uint8Array>({
    write: (chunk) => void (text += new TextDecoder().decode(chunk)),
    close: () => void (closed = true),
  });
  await new Command("a", "b c").writeArgLog(stream);
  await new Command("d").writeArgLog(stream);
  assertEquals([text, closed, stream.locked], ["a b c\nd\n", false, false]);
});

conform(
  "explain shows the steps between clone and exec, one a line, in order",
  async ({ folder }) => {
    const dir = folder();
    const text = new Command("true", "a b").umask(0o027).cwd(dir).maxFiles(64).session()
      .env("A", "b").stderr("stdout").explain();
    const steps = text.split("\n").map((line) => line.split(/\s+/)[0] ?? "");
    const order = ["signals", "umask", "fds", "session", "limits", "chdir", "unblock", "exec"];
    assertEquals(steps.filter((step, i) => step !== steps[i - 1]), order);
    assertStringIncludes(text, "umask(0027)");
    assertStringIncludes(text, `chdir("${dir}")`);
    assertStringIncludes(text, "RLIMIT_NOFILE");
    assertStringIncludes(text, "setsid()");
    assertMatch(text, /execve\("[^"]*\/true", \["true", "a b"\], \["A=b"\]\)$/);
    await Promise.resolve();
  },
);

conform("explain shows where each descriptor comes from, and the mass close", ({ folder }) => {
  const path = join(folder(), "out");
  const cmd = new Command("true").stdin("x").stdout({ file: path }).passFd(0, { as: 9 });
  cmd.sendBuffer("y");
  const text = cmd.explain();
  for (const part of ["stdin", path, "9", "close_range"]) assertStringIncludes(text, part);
  assert(!existsSync(path));
});

conform("explain of a program that cannot be found throws as run does", async () => {
  await failure(SpawnError, () => new Command("vircommand-no-such-tool").explain());
});
