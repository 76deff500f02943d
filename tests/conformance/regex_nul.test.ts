import { assertEquals } from "@std/assert";
import { Command, ExitError, SpawnError, UsageError } from "../../mod.ts";
import { failure } from "../support/failures.ts";
import { conform } from "../support/harness.ts";

type Groups = (string | undefined)[];

async function matched(
  output: string,
  expressions: RegExp[],
  options = {},
): Promise<Groups[]> {
  const all: Groups[] = [];
  const cmd = new Command("cat").stdin(output);
  await cmd.runRegex(expressions, (groups) => all.push(groups), options);
  return all;
}

conform("runRegex calls back for each line that matches, with the groups", async () => {
  const output = "vg0 10 GiB\nnoise\nvg1 20 GiB\n";
  assertEquals(await matched(output, [/^(\S+) (\d+) GiB$/]), [["vg0", "10"], ["vg1", "20"]]);
});

conform("with several expressions, all must match a line; their groups come in order", async () => {
  const output = "a=1 b=2\na=3\nb=4\nb=6 a=5";
  assertEquals(await matched(output, [/a=(\d)/, /b=(\d)/]), [["1", "2"], ["5", "6"]]);
});

conform("a group that took no part is undefined, and global expressions start afresh", async () => {
  assertEquals(await matched("x\ny\n", [/(x)?(y)?$/g]), [["x", undefined], [undefined, "y"]]);
});

conform("ignorePrefix is taken off the lines that begin with it", async () => {
  const options = { ignorePrefix: "LVM: " };
  assertEquals(await matched("LVM: a\na\nx LVM: a\n", [/^(a)$/], options), [["a"], ["a"]]);
});

conform("callbacks are waited for, and an error of one ends the program", async () => {
  const seen: string[] = [];
  const slow = async ([line = ""]: Groups) => {
    await new Promise((resolve) => setTimeout(resolve, 2));
    seen.push(line);
  };
  await new Command("printf", "1\\n2\\n3\\n").runRegex([/(.)/], slow);
  assertEquals(seen, ["1", "2", "3"]);
  const throws = () => {
    throw new RangeError("enough");
  };
  await failure(RangeError, () => new Command("yes").runRegex([/y/], throws));
  await failure(RangeError, () => new Command("cat", "/dev/zero").runNul(1, throws));
});

conform("runNul calls back for every so many texts", async () => {
  const rows: string[][] = [];
  const cmd = new Command("printf", "a\\0001\\0b\\n\\0002\\0");
  await cmd.runNul(2, (row) => rows.push(row));
  assertEquals(rows, [["a", "1"], ["b\n", "2"]]);
});

conform("what is left at the end is a shorter row; empty texts count", async () => {
  const rows: string[][] = [];
  await new Command("printf", "\\0\\0x\\0").runNul(2, (row) => rows.push(row));
  assertEquals(rows, [["", ""], ["x"]]);
  const none: string[][] = [];
  await new Command("true").runNul(3, (row) => none.push(row));
  assertEquals(none, []);
});

conform("both judge the program's end, and its start", async () => {
  const nothing = () => {};
  await failure(
    ExitError,
    () => new Command("sh", "-c", "echo x; exit 3").runRegex([/x/], nothing),
  );
  await failure(ExitError, () => new Command("false").runNul(1, nothing));
  await failure(SpawnError, () => new Command("/no/such/program").runNul(1, nothing));
  await failure(UsageError, () => new Command("true").runNul(0, nothing));
  const result = await new Command("false").runRegex([/x/], nothing, { check: false });
  assertEquals(result.code, 1);
});

conform("nonblocking() may be said, and changes nothing: our ends never block", async () => {
  assertEquals(await new Command("cat").nonblocking().stdin("x").text(), "x");
});
