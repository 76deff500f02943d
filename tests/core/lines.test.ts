import { assertEquals, assertRejects } from "@std/assert";
import { test } from "node:test";
import { splitLines } from "../../core/run/split_lines.ts";
import { Command, dryRun, ExitError, UsageError } from "../../mod.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

function streamOf(pieces: readonly Uint8Array[]): ReadableStream<Uint8Array> {
  const rest = [...pieces];
  return new ReadableStream({
    pull(controller) {
      const piece = rest.shift();
      if (piece === undefined) controller.close();
      else controller.enqueue(piece);
    },
  });
}

async function collect(pieces: readonly Uint8Array[], separator?: string): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of splitLines(streamOf(pieces).getReader(), separator)) lines.push(line);
  return lines;
}

const TABLE: [what: string, output: string, separator: string, lines: string[]][] = [
  ["nothing", "", "\n", []],
  ["a line", "one\n", "\n", ["one"]],
  ["a line without an end", "one", "\n", ["one"]],
  ["several lines", "one\ntwo\nthree\n", "\n", ["one", "two", "three"]],
  ["an empty line", "\n", "\n", [""]],
  ["empty lines at both ends", "\n\na\n\n", "\n", ["", "", "a", ""]],
  ["carriage returns stay", "a\r\nb\rc\r\n", "\n", ["a\r", "b\rc\r"]],
  ["characters of two, three and four bytes", "ü\n日本\n😀x\n", "\n", ["ü", "日本", "😀x"]],
  ["a byte order mark stays", "\ufeffa\n\ufeffb\n", "\n", ["\ufeffa", "\ufeffb"]],
  ["other line ends of Unicode are none", "a\u2028b\u0085c\n", "\n", ["a\u2028b\u0085c"]],
  ["values that end with a NUL byte", "a\0b\nc\0\0ü\0", "\0", ["a", "b\nc", "", "ü"]],
];

for (const [what, output, separator, lines] of TABLE) {
  test(`lines, wherever the output is broken into pieces: ${what}`, async () => {
    const whole = bytes(output);
    assertEquals(await collect([whole], separator), lines);
    const single = Array.from(whole, (byte) => new Uint8Array([byte]));
    assertEquals(await collect(single, separator), lines);
    for (let a = 0; a <= whole.length; a++) {
      for (let b = a; b <= whole.length; b++) {
        const pieces = [whole.subarray(0, a), whole.subarray(a, b), whole.subarray(b)];
        assertEquals(await collect(pieces, separator), lines, `broken at ${a} and ${b}`);
      }
    }
  });
}

test("bytes that are no UTF-8 become U+FFFD, and half a character at the end does too", async () => {
  assertEquals(await collect([new Uint8Array([0x61, 0xff, 0x0a, 0xc3])]), ["a\ufffd", "\ufffd"]);
});

test("a line comes as soon as its end is there", async () => {
  let send: (piece: Uint8Array) => void = () => {};
  const stream = new ReadableStream<Uint8Array>({
    start: (controller) => void (send = (piece) => controller.enqueue(piece)),
  });
  const lines = splitLines(stream.getReader());
  send(bytes("one\ntwo\nthr"));
  assertEquals([(await lines.next()).value, (await lines.next()).value], ["one", "two"]);
  send(bytes("ee\n"));
  assertEquals((await lines.next()).value, "three");
  await lines.return();
});

test("leaving the loop cancels the stream", async () => {
  let cancelled = 0;
  const stream = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(bytes("a\nb\n")),
    cancel: () => void cancelled++,
  });
  for await (const line of splitLines(stream.getReader())) {
    assertEquals(line, "a");
    break;
  }
  assertEquals(cancelled, 1);
});

test("a stream that fails fails the loop, after the lines that came before", async () => {
  let pulls = 0;
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (pulls++ === 0) controller.enqueue(bytes("a\nb"));
      else controller.error(new RangeError("broken"));
    },
  }, { highWaterMark: 0 });
  const seen: string[] = [];
  await assertRejects(
    async () => {
      for await (const line of splitLines(stream.getReader())) seen.push(line);
    },
    RangeError,
    "broken",
  );
  assertEquals(seen, ["a"]);
});

/** Commands are answered instead of run: only what is made of their output counts here. */
const answered = <R>(stdout: string, fn: (cmd: Command) => Promise<R>, code = 0) =>
  dryRun(() => ({ stdout, code }), () => fn(new Command("tool")));

const OUTPUT = "a=1\nb=22\n\nnonsense\n# c=3\na=4";

const MATCHES: [
  what: string,
  expressions: RegExp | RegExp[],
  prefix: string | undefined,
  groups: (string | undefined)[][],
][] = [
  ["the groups of each line that matches", /^(\w)=(\d+)$/, undefined, [
    ["a", "1"],
    ["b", "22"],
    ["a", "4"],
  ]],
  ["no groups, but the line", /^a/, undefined, [[], []]],
  ["the groups of all expressions, in order", [/=(\d)/, /^(\w)/], undefined, [
    ["1", "a"],
    ["2", "b"],
    ["4", "a"],
  ]],
  ["only lines that all expressions match", [/^a/, /(4)/], undefined, [["4"]]],
  ["a group that took no part", /^(a)?(b)?=/, undefined, [
    ["a", undefined],
    [undefined, "b"],
    ["a", undefined],
  ]],
  ["the prefix is taken off where it is", /^(\w)=(\d)$/, "# ", [["a", "1"], ["c", "3"], [
    "a",
    "4",
  ]]],
  ["the prefix is text and no expression", /^(\w)/, ".", [["a"], ["b"], ["n"], ["a"]]],
  ["an empty line is a line", /^$/, undefined, [[]]],
  ["a global expression starts each line afresh", /(\d)/g, undefined, [["1"], ["2"], ["3"], ["4"]]],
  ["so does a sticky one", /(a)/y, undefined, [["a"], ["a"]]],
];

for (const [what, expressions, prefix, groups] of MATCHES) {
  test(`runRegex: ${what}`, async () => {
    const seen: (string | undefined)[][] = [];
    const options = prefix === undefined ? {} : { ignorePrefix: prefix };
    const result = await answered(
      OUTPUT,
      (cmd) => cmd.runRegex(expressions, (each) => void seen.push(each), options),
    );
    assertEquals([seen, result.code], [groups, 0]);
  });
}

const ROWS: [what: string, output: string, columns: number, rows: string[][]][] = [
  ["no output, no row", "", 2, []],
  ["one column", "a\0b\0", 1, [["a"], ["b"]]],
  ["whole rows", "a\x001\0b\x002\0", 2, [["a", "1"], ["b", "2"]]],
  ["a last row that is shorter", "a\x001\0b\0", 2, [["a", "1"], ["b"]]],
  ["a last value without its NUL byte", "a\x001", 2, [["a", "1"]]],
  ["empty values", "\0\0\0", 2, [["", ""], [""]]],
  ["line breaks inside of values", "a\nb\0c\n\0", 2, [["a\nb", "c\n"]]],
];

for (const [what, output, columns, rows] of ROWS) {
  test(`runNul: ${what}`, async () => {
    const seen: string[][] = [];
    const take = (values: string[]) => void seen.push(values);
    const result = await answered(output, (cmd) => cmd.runNul(columns, take));
    assertEquals([seen, result.code], [rows, 0]);
  });
}

test("runNul: no columns are a UsageError", async () => {
  for (const columns of [0, -1, 1.5, NaN]) {
    await assertRejects(() => answered("a\0", (cmd) => cmd.runNul(columns, () => {})), UsageError);
  }
});

test("the next line waits until the last one was dealt with", async () => {
  const order: string[] = [];
  await answered("1\n2\n", (cmd) =>
    cmd.runRegex(/(.)/, async ([digit]) => {
      order.push(`begin ${digit}`);
      await new Promise((resolve) => setTimeout(resolve, 1));
      order.push(`end ${digit}`);
    }));
  assertEquals(order, ["begin 1", "end 1", "begin 2", "end 2"]);
});

test("an error of the callback is the error of the run, and no further line comes", async () => {
  let called = 0;
  const take = () => {
    called++;
    throw new RangeError("mine");
  };
  await assertRejects(() => answered("1\n2\n", (cmd) => cmd.runRegex(/./, take)), RangeError);
  await assertRejects(() => answered("1\0", (cmd) => cmd.runNul(1, take)), RangeError);
  assertEquals(called, 2);
});

test("a bad end is an error after all lines came", async () => {
  const seen: (string | undefined)[] = [];
  const take = ([digit]: (string | undefined)[]) => void seen.push(digit);
  await assertRejects(() => answered("1\n2\n", (cmd) => cmd.runRegex(/(.)/, take), 3), ExitError);
  assertEquals(seen, ["1", "2"]);
});
