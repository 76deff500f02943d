import { assert, assertEquals } from "@std/assert";
import { readFileSync } from "node:fs";
import { Command, ExitError, SpawnError, TimeoutError, UsageError } from "../../mod.ts";
import { failure } from "../support/failures.ts";
import { conform, isRunning, settled, until } from "../support/harness.ts";

async function linesOf(script: string): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of new Command("sh", "-c", script).lines()) lines.push(line);
  return lines;
}

conform("lines yields the lines of standard output without their ends", async () => {
  assertEquals(await linesOf("echo one; echo two; echo three"), ["one", "two", "three"]);
});

conform("a last line without an end is a line, an end of output is none", async () => {
  assertEquals(await linesOf("printf 'one\\ntwo'"), ["one", "two"]);
  assertEquals(await linesOf("printf 'one\\n'"), ["one"]);
  assertEquals(await linesOf(":"), []);
});

conform("empty lines are lines, and carriage returns stay", async () => {
  assertEquals(await linesOf("printf '\\n\\na\\r\\n\\n'"), ["", "", "a\r", ""]);
});

conform("a character that arrives in two pieces is one character", async () => {
  // Nothing tells when the first piece was read; too early, the test only shows less.
  assertEquals(await linesOf("printf '\\303'; sleep 0.05; printf '\\274x\\n'"), ["üx"]);
});

conform("a line that arrives in many pieces is one line", async () => {
  const [line, ...others] = await linesOf("head -c 5000000 /dev/zero | tr '\\0' x; echo; echo end");
  assertEquals([line?.length, others], [5_000_000, ["end"]]);
});

conform("many lines arrive whole and in order", async () => {
  const lines = await linesOf("seq 1 50000");
  assertEquals([lines.length, lines[0], lines.at(-1)], [50_000, "1", "50000"]);
});

conform("lines come while the program runs", async () => {
  const lines = new Command("sh", "-c", "echo first; exec sleep 1000").lines();
  assertEquals((await lines.next()).value, "first");
  await lines.return();
});

conform("leaving the loop early stops the program, and it is gone afterwards", async () => {
  let pid = 0;
  for await (const line of new Command("sh", "-c", "echo $$; exec yes").lines()) {
    pid = Number(line);
    assert(isRunning(pid));
    break;
  }
  assert(!isRunning(pid));
});

conform("leaving the loop by an error stops the program too", async () => {
  let pid = 0;
  const error = await failure(RangeError, async () => {
    for await (const line of new Command("sh", "-c", "echo $$; exec yes").lines()) {
      pid = Number(line);
      throw new RangeError("mine");
    }
  });
  assertEquals(error.message, "mine");
  assert(!isRunning(pid));
});

conform("leaving early is no error, however the program ends by it", async () => {
  const seen: string[] = [];
  for await (const line of new Command("yes").lines()) {
    seen.push(line);
    if (seen.length === 1000) break;
  }
  assertEquals(seen.length, 1000);
});

conform("a program that ignores SIGTERM does not outlive the loop", async () => {
  const script = "trap '' TERM PIPE; echo $$; exec sleep 1000";
  const lines = new Command("sh", "-c", script).lines({ grace: 60 });
  const pid = Number((await lines.next()).value);
  await lines.return();
  assert(!isRunning(pid));
});

conform("a loop that is slow holds the program up", async () => {
  // Long lines: more than pipe and stream hold, and few promises, which some runtimes watch.
  const lines = new Command("sh", "-c", "echo $$; exec seq -f %01000.f 1 4000").lines();
  const pid = Number((await lines.next()).value);
  const written = () => Number(/^wchar: (\d+)/m.exec(readFileSync(`/proc/${pid}/io`, "utf8"))?.[1]);
  assert(await settled(written) < 2_000_000, "it was held up by nobody");
  assert(isRunning(pid), "it could not end by itself");
  let count = 0;
  let last = "";
  for await (const line of lines) [count, last] = [count + 1, line];
  assertEquals([count, Number(last)], [4000, 4000]);
  await until("the program is gone", () => !isRunning(pid));
});

conform("a bad end is thrown when the lines are over", async () => {
  const lines: string[] = [];
  const error = await failure(ExitError, async () => {
    const cmd = new Command("sh", "-c", "echo one; echo the reason >&2; exit 3");
    for await (const line of cmd.lines()) lines.push(line);
  });
  assertEquals([lines, error.code, error.stderr], [["one"], 3, "the reason\n"]);
});

conform("options count for lines as for run", async () => {
  const lines: string[] = [];
  const cmd = new Command("sh", "-c", "echo one; exit 3");
  for await (const line of cmd.lines({ okCodes: [3] })) lines.push(line);
  for await (const line of cmd.lines({ check: false })) lines.push(line);
  assertEquals(lines, ["one", "one"]);
  await failure(TimeoutError, async () => {
    for await (const _ of new Command("sleep", 1000).lines({ timeout: 60 }));
  });
});

conform("a program that cannot be started is told at the first line", async () => {
  await failure(SpawnError, () => new Command("/no/such/program").lines().next());
});

conform("lines that nobody asks for start nothing", async () => {
  const lines = new Command("/no/such/program").lines();
  await lines.return();
});

conform("lines need standard output: it cannot go elsewhere", async () => {
  const error = await failure(
    Error,
    () => new Command("echo").stdout("null").lines().next(),
  );
  assertEquals(error instanceof UsageError || error.name === "StateError", true);
});
