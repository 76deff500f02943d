import { assert, assertEquals, assertMatch } from "@std/assert";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { Command } from "../../core/command.ts";
import { specOf } from "../support/spec.ts";
import {
  type Chunk,
  isFd,
  outputForm,
  pathProblem,
  type StderrOutput,
  stdinForm,
  type StdinInput,
} from "../../core/command/stdio.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

const INPUTS: [what: string, input: StdinInput, form: object][] = [
  ["null", "null", { kind: "null" }],
  ["inherit", "inherit", { kind: "inherit" }],
  ["pipe", "pipe", { kind: "pipe" }],
  ["a descriptor", 7, { kind: "fd", fd: 7 }],
  ["descriptor 0", 0, { kind: "fd", fd: 0 }],
  ["text", "grüße\n", { kind: "bytes", bytes: bytes("grüße\n") }],
  ["empty text", "", { kind: "bytes", bytes: new Uint8Array() }],
  ["text that is nearly a word of ours", "null\n", { kind: "bytes", bytes: bytes("null\n") }],
  ["bytes", new Uint8Array([0, 255]), { kind: "bytes", bytes: new Uint8Array([0, 255]) }],
  ["a file", { file: "in/put" }, { kind: "file", path: "in/put" }],
];

for (const [what, input, form] of INPUTS) {
  test(`stdin takes ${what}`, () => assertEquals<unknown>(stdinForm(input), form));
}

async function piecesOf(input: StdinInput): Promise<Chunk[]> {
  const form = stdinForm(input);
  assert(typeof form !== "string" && form.kind === "stream");
  const pieces: Chunk[] = [];
  for await (const piece of form.source) pieces.push(piece);
  return pieces;
}

function* some(): Generator<Chunk> {
  yield "a";
  yield bytes("b");
}

async function* later(): AsyncGenerator<Chunk> {
  yield* await Promise.resolve(some());
}

/** A web stream that counts how often it was cancelled. */
function stream(): { readable: ReadableStream<Chunk>; cancelled: () => number } {
  let cancelled = 0;
  const readable = new ReadableStream<Chunk>({
    start(controller) {
      for (const piece of some()) controller.enqueue(piece);
      controller.close();
    },
    cancel: () => void cancelled++,
  });
  return { readable, cancelled: () => cancelled };
}

const STREAMS: [what: string, make: () => StdinInput][] = [
  ["an array", () => [...some()]],
  ["a generator", some],
  ["an asynchronous generator", later],
  ["a set", () => new Set(some())],
  ["a web stream", () => stream().readable],
];

for (const [what, make] of STREAMS) {
  test(`stdin takes ${what} of text and bytes`, async () => {
    assertEquals(await piecesOf(make()), ["a", bytes("b")]);
  });
}

test("a web stream is not touched before it is read, and set free when it has ended", async () => {
  const { readable } = stream();
  const form = stdinForm(readable);
  assert(!readable.locked && typeof form !== "string" && form.kind === "stream");
  for await (const _ of form.source) assert(readable.locked);
  assert(!readable.locked);
});

test("a web stream that is left early is cancelled, even while a read is pending", async () => {
  let cancelled = 0;
  const readable = new ReadableStream<Chunk>({ cancel: () => void cancelled++ });
  const form = stdinForm(readable);
  assert(typeof form !== "string" && form.kind === "stream" && Symbol.asyncIterator in form.source);
  const pieces = form.source[Symbol.asyncIterator]();
  const pending = pieces.next();
  await pieces.return?.();
  assertEquals([(await pending).done, cancelled, readable.locked], [true, 1, false]);
});

const BAD_INPUTS: [what: string, input: unknown][] = [
  ["a negative descriptor", -1],
  ["a broken number", 1.5],
  ["a number that is none", NaN],
  ["a descriptor that is too high", 2 ** 31],
  ["nothing", undefined],
  ["null itself", null],
  ["a truth value", true],
  ["a function", () => "x"],
  ["an empty record", {}],
  ["a file without a path", { file: "" }],
  ["a file with a NUL byte", { file: "a\0b" }],
  ["a file with half a character", { file: "a\ud800" }],
  ["a file by number", { file: 3 }],
];

for (const [what, input] of BAD_INPUTS) {
  test(`stdin refuses ${what}`, () => {
    const form = stdinForm(input as StdinInput);
    assert(typeof form === "string" && form !== "");
    assertMatch(new Command("true").stdin(input as StdinInput).error?.message ?? "", /^stdin: ./);
  });
}

const sink = new WritableStream<Uint8Array>();

const OUTPUTS: [what: string, output: StderrOutput, form: object][] = [
  ["null", "null", { kind: "null" }],
  ["inherit", "inherit", { kind: "inherit" }],
  ["pipe", "pipe", { kind: "pipe" }],
  ["capture", "capture", { kind: "capture" }],
  ["a descriptor", 9, { kind: "fd", fd: 9 }],
  ["a web stream", sink, { kind: "stream", sink }],
  ["a file", { file: "out" }, { kind: "file", path: "out", append: false, mode: 0o666 }],
  ["a file to append to", { file: "out", append: true, mode: 0o600 }, {
    kind: "file",
    path: "out",
    append: true,
    mode: 0o600,
  }],
];

for (const [what, output, form] of OUTPUTS) {
  test(`stdout and stderr take ${what}`, () => {
    assertEquals<unknown>(outputForm(output, "stdout"), form);
    assertEquals<unknown>(outputForm(output, "stderr"), form);
  });
}

test("only stderr can go where stdout goes", () => {
  assertEquals<unknown>(outputForm("stdout", "stderr"), { kind: "stdout" });
  assertEquals(outputForm("stdout", "stdout"), "only stderr can go where stdout goes");
});

const BAD_OUTPUTS: [what: string, output: unknown][] = [
  ["a negative descriptor", -1],
  ["a broken number", 0.5],
  ["unknown text", "file.txt"],
  ["empty text", ""],
  ["nothing", undefined],
  ["null itself", null],
  ["bytes", new Uint8Array(3)],
  ["a stream to read from", new ReadableStream()],
  ["a function", () => {}],
  ["an empty record", {}],
  ["a file without a path", { file: "" }],
  ["a file with a NUL byte", { file: "\0" }],
  ["a file with half a character", { file: "\udc00" }],
  ["a negative mode", { file: "a", mode: -1 }],
  ["a mode that is too large", { file: "a", mode: 0o10000 }],
  ["a mode that is none", { file: "a", mode: NaN }],
];

for (const [what, output] of BAD_OUTPUTS) {
  test(`stdout and stderr refuse ${what}`, () => {
    for (const name of ["stdout", "stderr"] as const) {
      const form = outputForm(output as StderrOutput, name);
      assert(typeof form === "string" && form !== "");
      const { error } = new Command("true")[name](output as "null");
      assertMatch(error?.message ?? "", new RegExp(`^${name}: .`));
    }
  });
}

/** Arrays whose `slice` does and does not copy: that of a Buffer shares its memory. */
for (const [what, make] of [["Uint8Array", bytes], ["Buffer", Buffer.from]] as const) {
  test(`a ${what} may be changed after it was given, the command keeps what it had`, () => {
    const given: Uint8Array = make("before");
    const cmd = new Command("cat").stdin(given);
    cmd.sendBuffer(given);
    given.fill(0);
    const { stdin, buffers } = specOf(cmd);
    assert(stdin?.kind === "bytes");
    assertEquals([...stdin.bytes], [...bytes("before")]);
    assertEquals([...buffers[0]?.bytes ?? []], [...bytes("before")]);
  });
}

test("paths that no kernel would take are told from those that it would", () => {
  for (const path of ["a", "/", " ", "ü", "a\n", "-"]) assertEquals(pathProblem(path), undefined);
  assertMatch(pathProblem("") ?? "", /empty/);
  assertMatch(pathProblem("a\0") ?? "", /NUL/);
  assertMatch(pathProblem("\ud800") ?? "", /surrogate/);
  assertMatch(pathProblem(5) ?? "", /number/);
});

test("a path that no kernel would take is no reason to throw while a command is built", () => {
  const cmd = new Command("true").preExec("hook\ud800.ts");
  assert(cmd.error !== undefined);
});

test("descriptors are whole numbers from 0 to 2^31 - 2", () => {
  for (const fd of [0, 3, 0x7fff_fffe]) assert(isFd(fd));
  for (const fd of [-1, 0x7fff_ffff, 1.5, NaN, Infinity, "3", 3n, null]) assert(!isFd(fd));
});
