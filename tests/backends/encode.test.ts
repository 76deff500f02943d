import { assert, assertEquals, assertThrows } from "@std/assert";
import { test } from "node:test";
import type { Arch } from "../../backends/child_program/arch.ts";
import { type Call, call, type Cell, SharedPrefix } from "../../backends/child_program/call.ts";
import { encode, sizeOf } from "../../backends/child_program/encode.ts";
import {
  CELLS,
  type Encoded,
  FAILED_AT,
  FAILED_RESULT,
  FAILURE_REPORT,
  GAVE_UP,
  IGNORED,
  OPERATION,
  RESULT,
} from "../../backends/child_program/encoded.ts";
import type { Arena } from "../../backends/child_program/room.ts";
import { ARCHES } from "../support/native.ts";

/** An address as they come: above 2^32, so that both halves of a word count. */
const BASE = 0x7f12_3456_8000;

const [x86_64, aarch64] = ARCHES as [Arch, Arch];

/** An arena in which something else was before. */
function dirtyArena(size = 64 * 1024): Arena {
  const buffer = new ArrayBuffer(size);
  const bytes = new Uint8Array(buffer).fill(0xaa);
  return { address: BASE, size, bytes, words: new Uint32Array(buffer) } as Arena;
}

interface Layout {
  readonly encoded: Encoded;
  word(at: number): number;
  signed(at: number): bigint;
  text(address: number): string;
  readonly bytes: Uint8Array;
}

function layOut(calls: Call[], cells: Cell[] = [], arch = x86_64): Layout {
  const arena = dirtyArena();
  const encoded = encode({ calls, cells }, arch, arena);
  const view = new DataView(arena.bytes.buffer);
  return {
    encoded,
    bytes: arena.bytes,
    word: (at) => Number(view.getBigUint64(at, true)),
    signed: (at) => view.getBigInt64(at, true),
    text(address) {
      const from = address - BASE;
      return new TextDecoder().decode(arena.bytes.subarray(from, arena.bytes.indexOf(0, from)));
    },
  };
}

const umask = (mask: number) => call("umask", "umask", [mask]);
/** The epilogue: three operations, behind the cells. */
const FAILED = CELLS;
const EPILOGUE = 3 * OPERATION;
const at = (index: number) => FAILED + EPILOGUE + index * OPERATION;

test("two calls with one label are refused: a jump would find the wrong one", () => {
  const first = { ...call("step", "getpid"), label: "here" };
  const last = { ...call("step", "getppid"), label: "here" };
  assertThrows(() => layOut([first, last]), Error, "labelled here");
});

test("the header holds the first operation's address and clean notes", () => {
  const { word, encoded } = layOut([umask(1)]);
  assertEquals(encoded.header, BASE);
  assertEquals([word(0), word(FAILED_AT), word(FAILED_RESULT), word(GAVE_UP)], [
    BASE + at(0),
    0,
    0,
    0,
  ]);
  assertEquals([FAILED_AT, FAILED_RESULT, GAVE_UP, CELLS, OPERATION], [8, 16, 24, 96, 96]);
});

test("an operation is a number, six arguments, and addresses for result, jumps and failure", () => {
  const { word } = layOut([call("fds", "dup3", [3, 4, 5]), umask(0o22)]);
  const first = Array.from({ length: 12 }, (_, i) => word(at(0) + i * 8));
  const failed = BASE + FAILED;
  const next = BASE + at(1);
  assertEquals(first, [
    x86_64.numbers.dup3,
    3,
    4,
    5,
    0,
    0,
    0,
    BASE + RESULT,
    failed,
    next,
    next,
    BASE + FAILED_AT,
  ]);
});

test("a failure that says nothing is recorded where nobody reads it", () => {
  const arena = dirtyArena();
  encode({ calls: [{ ...umask(1), unrecorded: true }, umask(2)], cells: [] }, x86_64, arena, {
    report: 5,
  });
  const recordedAt = (place: number) =>
    Number(new DataView(arena.bytes.buffer).getBigUint64(place + 88, true)) - BASE;
  assertEquals([recordedAt(at(0)), recordedAt(at(1))], [IGNORED, FAILED_AT]);
  // A filter may refuse any call of the epilogue: that must not hide why it was reached.
  const epilogue = [0, 1, 2, 3].map((i) => recordedAt(FAILED + i * OPERATION));
  assertEquals(epilogue, Array(4).fill(IGNORED));
});

test("every call has its architecture's number, and a number is a number", () => {
  for (const arch of ARCHES) {
    const { word } = layOut([umask(1), call("step", 451)], [], arch);
    assertEquals([word(at(0)), word(at(1))], [arch.numbers.umask, 451]);
  }
  assert(x86_64.numbers.umask !== aarch64.numbers.umask);
});

test("an argument may be negative, large or a bigint of 64 bits", () => {
  const args = [-100, -1, 0xffff_ffff, 2 ** 40 + 1, 2n ** 63n, -(2n ** 40n)];
  const one = call("step", "ioctl", args);
  const { word, signed } = layOut([one]);
  assertEquals(signed(at(0) + 8), -100n);
  assertEquals(signed(at(0) + 16), -1n);
  assertEquals([word(at(0) + 24), word(at(0) + 32)], [0xffff_ffff, 2 ** 40 + 1]);
  assertEquals(signed(at(0) + 40), -(2n ** 63n));
  assertEquals(signed(at(0) + 48), -(2n ** 40n));
});

test("text is passed by address, in UTF-8, with a NUL behind it", () => {
  const paths = ["/", "", "/ünï→𝄞", "/a b"];
  const calls = paths.map((text) => call("chdir", "chdir", [{ text }]));
  const { word, text } = layOut(calls);
  assertEquals(paths.map((_, i) => text(word(at(i) + 8))), paths);
});

test("bytes are copied as they are, at an address that is a multiple of eight", () => {
  const first = new Uint8Array([1, 0, 255]);
  const second = new Uint8Array([7]);
  const { word, bytes } = layOut([
    call("limits", "prlimit64", [0, 7, { bytes: first }, { bytes: second }]),
  ]);
  const [a, b] = [word(at(0) + 24), word(at(0) + 32)];
  assertEquals([a % 8, b % 8], [0, 0]);
  assertEquals([...bytes.subarray(a - BASE, a - BASE + 3)], [1, 0, 255]);
  assertEquals(bytes[b - BASE], 7);
});

test("a list of texts is an array of addresses with a NULL behind it", () => {
  const argv = ["sh", "", "ü b"];
  const { word, text } = layOut([
    call("exec", "execve", [{ text: "/bin/sh" }, { texts: argv }, { texts: [] }]),
  ]);
  const [list, none] = [word(at(0) + 16) - BASE, word(at(0) + 24) - BASE];
  assertEquals([list % 8, none % 8], [0, 0]);
  assertEquals(argv.map((_, i) => text(word(list + i * 8))), argv);
  assertEquals([word(list + argv.length * 8), word(none)], [0, 0]);
});

test("cells stand before the operations, zeroed, and are shared by all who name them", () => {
  const cells = [{ name: "a", size: 4 }, { name: "b", size: 24 }];
  const { word, bytes } = layOut([
    call("step", "read", [0, { cell: "a" }, 4]),
    call("step", "read", [0, { cell: "b", offset: 8 }, 4]),
    call("step", "write", [1, { cell: "a" }, 4]),
  ], cells);
  const first = CELLS + 8 + 24 + EPILOGUE;
  assertEquals(word(0), BASE + first);
  const second = (index: number) => word(first + index * OPERATION + 16);
  assertEquals([second(0), second(1), second(2)], [BASE + CELLS, BASE + CELLS + 16, BASE + CELLS]);
  assert(bytes.subarray(CELLS, CELLS + 32).every((each) => each === 0));
});

test("a result can become an argument of another call, or fill a cell", () => {
  const { word } = layOut([
    { ...call("step", "openat", [-100]), into: { call: "later", argument: 2 } },
    { ...call("step", "getpid"), into: { cell: "pid" } },
    { ...call("step", "write", [0, 0, 0]), label: "later" },
  ], [{ name: "pid", size: 8 }]);
  const first = CELLS + 8 + EPILOGUE;
  const later = first + 2 * OPERATION;
  assertEquals(word(first + 56), BASE + later + 8 + 2 * 8);
  assertEquals(word(first + OPERATION + 56), BASE + CELLS);
  assertEquals(word(later + 56), BASE + RESULT);
});

test("a call can be given the memory of another one's argument", () => {
  const { word } = layOut([
    call("step", "read", [3, { call: "later", argument: 1 }, 8]),
    { ...call("step", "kill", [0, 0]), label: "later" },
  ]);
  assertEquals(word(at(0) + 16), BASE + at(1) + 8 + 8);
});

test("jumps lead to labels, forwards and backwards; the others to the next call", () => {
  const { word } = layOut([
    { ...umask(0), label: "first" },
    { ...umask(1), jumps: { error: "last", zero: "first" } },
    { ...umask(2), label: "last", jumps: { positive: "first" } },
  ]);
  const jumps = (index: number) => [64, 72, 80].map((offset) => word(at(index) + offset) - BASE);
  assertEquals(jumps(1), [at(2), at(0), at(2)]);
  assertEquals(jumps(2), [FAILED, FAILED, at(0)]);
});

test("a label or a cell that is missing is found out while encoding", () => {
  assertThrows(() => layOut([{ ...umask(0), jumps: { zero: "nowhere" } }]));
  assertThrows(() => layOut([call("step", "read", [0, { cell: "none" }])]));
  assertThrows(() => layOut([{ ...umask(0), into: { call: "none", argument: 0 } }]));
});

test("before the calls stands the exit of those that failed, with status 127", () => {
  const { word } = layOut([umask(0)]);
  const operations = Array.from({ length: 3 }, (_, i) => FAILED + i * OPERATION);
  const exit = operations.find((each) => word(each) === x86_64.numbers.exit_group);
  assert(exit !== undefined);
  assertEquals(word(exit + 8), 127);
  // From wherever a call fails, a few jumps lead there.
  let here = word(at(0) + 64) - BASE;
  for (let i = 0; i < 5 && here !== exit; i++) here = word(here + 80) - BASE;
  assertEquals(here, exit);
});

test("a failure is reported by one call: a fork of the program may report at the same time", () => {
  const arena = dirtyArena();
  encode({ calls: [umask(0)], cells: [] }, x86_64, arena, { report: 7 });
  const view = new DataView(arena.bytes.buffer);
  const word = (at: number) => Number(view.getBigUint64(at, true));
  const { write, writev } = x86_64.numbers;
  const epilogue = Array.from({ length: 3 }, (_, i) => FAILED + i * OPERATION);
  const reports = epilogue.filter((each) => [write, writev].includes(word(each)));
  assertEquals(reports.map((each) => [word(each), word(each + 8)]), [[writev, 7]]);
  const [pieces, count] = [16, 24].map((field) => word((reports[0] ?? 0) + field));
  const [byte, one, notes, length] = [0, 8, 16, 24].map((at) => word((pieces ?? 0) - BASE + at));
  assertEquals([count, arena.bytes[(byte ?? 0) - BASE], one], [2, FAILURE_REPORT, 1]);
  assertEquals([notes, length], [BASE, FAILED]);
});

test("what the program before it has left in an arena is the same as if it were written anew", () => {
  const arena = dirtyArena();
  const [a, b, c] = [umask(1), umask(2), umask(3)];
  const many = { ...call("limits", "setsid", [0, 7]), each: [1, 2, 3] };
  const folder = (text: string) => call("chdir", "chdir", [{ text }]);
  const [x, y, z] = [folder("/x"), folder("/y"), folder("/zz")];
  const pair = call("limits", "prlimit64", [0, 7, { words: [1n, 2n ** 40n] }, 0]);
  const jumping: Call = { ...umask(4), jumps: { error: "there" } };
  const there: Call = { ...umask(5), label: "there" };
  const [short, long] = [new SharedPrefix([many]), new SharedPrefix([many, a, pair])];
  const programs: [Call[], SharedPrefix?][] = [
    [[many, jumping, a, there]],
    [[many, jumping, there, a]],
    [[many, a, pair, x]],
    [[many, a, pair, y], long],
    [[many, a, pair, z], long],
    [[many, b, pair, y], short],
    [[many, x, pair, z], short],
    [[many, x, pair, a]],
    [[many, jumping, a, there], short],
    [[a, b, c]],
    [[a, b]],
    [[b, a]],
    [[many]],
    [[many], short],
    [[many, a, pair, x], long],
    [[many, a, pair, y]],
  ];
  for (const [calls, prefix] of programs) {
    const fresh = dirtyArena();
    const again = encode({ calls, cells: [], prefix }, x86_64, arena);
    const anew = encode({ calls, cells: [] }, x86_64, fresh);
    assertEquals(sizeOf({ calls, cells: [], prefix }), sizeOf({ calls, cells: [] }));
    assertEquals(again.length, anew.length);
    const count = calls.reduce((sum, { each }) => sum + (each?.length ?? 1), 0);
    const end = CELLS + EPILOGUE + count * OPERATION;
    assertEquals([...arena.bytes.subarray(0, end)], [...fresh.bytes.subarray(0, end)]);
    for (const each of calls) {
      const first = new DataView(arena.bytes.buffer).getUint32(again.placeOf(each) + 8, true) -
        BASE % 2 ** 32;
      const text = (bytes: Uint8Array) => [...bytes.subarray(first, bytes.indexOf(0, first))];
      if (each.name === "chdir") assertEquals(text(arena.bytes), text(fresh.bytes));
    }
  }
});

test("what two programs share is not laid out a second time", () => {
  const arena = dirtyArena();
  const [a, b, c] = [umask(1), umask(2), umask(3)];
  encode({ calls: [a, b], cells: [] }, x86_64, arena);
  arena.words[(at(0) + 8) / 4] = 0o77;
  encode({ calls: [a, c], cells: [] }, x86_64, arena);
  assertEquals(arena.words[(at(0) + 8) / 4], 0o77);
  assertEquals(arena.words[(at(1) + 8) / 4], 3);
});

test("a program that could not be laid out leaves nothing that counts for the next one", () => {
  const arena = dirtyArena();
  const [a, b, c] = [umask(1), umask(2), umask(3)];
  const unknown = call("step", "bogus" as "umask");
  const encodeThem = (calls: Call[]) => encode({ calls, cells: [] }, x86_64, arena);
  encodeThem([a, b, c]);
  assertThrows(() => encodeThem([a, c, unknown]), Error, "bogus");
  encodeThem([a, b, c]);
  assertEquals([0, 1, 2].map((i) => arena.words[(at(i) + 8) / 4]), [1, 2, 3]);
});

test("a call that is made for each of many values is as many operations", () => {
  const { word } = layOut([
    { ...call("signals", "dup3", [0, 5, 6]), each: [7, 8] },
    umask(1),
  ]);
  assertEquals([0, 1, 2].map((i) => word(at(i) + 8)), [7, 8, 1]);
  assertEquals([0, 1].map((i) => word(at(i) + 16)), [5, 5]);
});

test("notes tell which call failed and why, once the program has given up", () => {
  const calls = [umask(0), umask(1), umask(2)];
  const arena = dirtyArena();
  const encoded = encode({ calls, cells: [] }, x86_64, arena);
  assertEquals(encoded.failure(encoded.notesIn(arena.bytes)), undefined);
  const view = new DataView(arena.bytes.buffer);
  view.setBigInt64(FAILED_AT, BigInt(BASE + at(1)), true);
  view.setBigInt64(FAILED_RESULT, -13n, true);
  // A call may fail, and the program go on.
  assertEquals(encoded.failure(encoded.notesIn(arena.bytes)), undefined);
  view.setBigInt64(GAVE_UP, 99n, true);
  assertEquals(encoded.failure(encoded.notesIn(arena.bytes)), { call: calls[1], errno: 13 });
});

test("a program can be encoded for another address than that of its arena", () => {
  const arena = dirtyArena();
  const elsewhere = 0x1000_0000;
  const encoded = encode(
    { calls: [call("chdir", "chdir", [{ text: "/" }])], cells: [] },
    x86_64,
    arena,
    { base: elsewhere },
  );
  const view = new DataView(arena.bytes.buffer);
  assertEquals(encoded.header, elsewhere);
  assertEquals(Number(view.getBigUint64(0, true)), elsewhere + at(0));
  const path = Number(view.getBigUint64(at(0) + 8, true)) - elsewhere;
  assertEquals([...arena.bytes.subarray(path, path + 2)], [47, 0]);
});

test("a program fits into the size that was computed for it, whatever it holds", () => {
  const pieces = ["", "a", "ü".repeat(99), "𝄞".repeat(50), "x".repeat(1000)];
  for (let round = 0; round < 50; round++) {
    const pick = (i: number) => pieces[(round * 7 + i * 3) % pieces.length] ?? "";
    const calls = Array.from({ length: 1 + round % 9 }, (_, i) =>
      call("exec", "execve", [
        { text: pick(i) },
        { texts: Array.from({ length: (round + i) % 6 }, (_, j) => pick(j)) },
        { bytes: new Uint8Array((round * i) % 33) },
        { words: Array.from({ length: round % 5 }, (_, j) => j) },
      ]));
    const program = { calls, cells: [{ name: "c", size: round }] };
    const options = round % 2 === 0 ? {} : { report: 5 };
    const { length } = encode(program, x86_64, dirtyArena(256 * 1024), options);
    assert(length <= sizeOf(program), `${length} of ${sizeOf(program)}`);
  }
});
