import { assert, assertEquals, assertThrows } from "@std/assert";
import { test } from "node:test";
import { type FdMove, layout, type Mapping } from "../../core/plan/descriptors.ts";

/** An entry of a descriptor table: the open file, and whether exec closes it. */
type Entry = { file: string; cloexec: boolean };
type Table = Map<number, Entry>;

/** A parent's table: each descriptor's file is named after its number. All are closed on exec. */
const tableOf = (fds: Iterable<number>): Table =>
  new Map([...fds].map((fd) => [fd, { file: `file ${fd}`, cloexec: true }]));

/** Makes a move as the kernel does, where the kernel would not refuse it. */
function apply(table: Table, move: FdMove): void {
  switch (move.kind) {
    case "dup": {
      const entry = table.get(move.from);
      assert(entry !== undefined, `EBADF: dup3(${move.from}, ${move.to})`);
      assert(move.from !== move.to, `EINVAL: dup3(${move.from}, ${move.to})`);
      table.set(move.to, { file: entry.file, cloexec: move.cloexec });
      break;
    }
    case "keep": {
      const entry = table.get(move.fd);
      assert(entry !== undefined, `EBADF: fcntl(${move.fd}, F_SETFD)`);
      entry.cloexec = false;
      break;
    }
    case "closeRange":
      assert(move.first <= move.last, `EINVAL: close_range(${move.first}, ${move.last})`);
      for (const fd of table.keys()) if (fd >= move.first && fd <= move.last) table.delete(fd);
  }
}

/** Lays out in a table of `open`, and checks what the child has before exec, and after. */
function check(open: readonly number[], mappings: readonly Mapping[], reserved: number[]): void {
  const table = tableOf(open);
  const { moves, reserved: channels } = layout(mappings, reserved);
  for (const move of moves) apply(table, move);
  const expected = tableOf([]);
  for (const { from, to } of mappings) expected.set(to, { file: `file ${from}`, cloexec: false });
  reserved.forEach((fd, i) => {
    const at = channels[i] ?? -1;
    assert(!expected.has(at), `channel ${fd} has the number of something else: ${at}`);
    expected.set(at, { file: `file ${fd}`, cloexec: true });
  });
  const sorted = (each: Table) => [...each].sort(([a], [b]) => a - b);
  assertEquals(
    sorted(table),
    sorted(expected),
    JSON.stringify({ open, mappings, reserved, moves }),
  );
}

const NAMED: [
  what: string,
  open: number[],
  pairs: [from: number, to: number][],
  channels: number[],
][] = [
  ["nothing at all", [0, 1, 2, 9], [], []],
  ["everything stays where it is", [0, 1, 2], [[0, 0], [1, 1], [2, 2]], []],
  ["two change places", [3, 4], [[3, 4], [4, 3]], []],
  ["a circle of three", [0, 1, 2], [[0, 1], [1, 2], [2, 0]], []],
  ["a chain", [3, 4, 5], [[3, 4], [4, 5], [5, 6]], []],
  ["a chain the other way", [4, 5, 6], [[6, 5], [5, 4], [4, 3]], []],
  ["one source for several", [7], [[7, 0], [7, 1], [7, 2], [7, 7]], []],
  ["a source that stays and is copied too", [1, 5], [[1, 1], [1, 2], [5, 0]], []],
  ["the numbers 0 to 2 are closed, and pipes came to have them", [0, 1, 2], [[2, 0], [0, 1], [
    1,
    2,
  ]], []],
  ["a channel is in the way", [0, 1, 2, 3], [[0, 0], [1, 3]], [3]],
  ["channels among the standard streams", [0, 1, 5], [[5, 0], [5, 1], [5, 2]], [0, 1]],
  ["high numbers", [1000, 65535], [[1000, 65535], [65535, 1000]], []],
];

for (const [what, open, pairs, channels] of NAMED) {
  test(`layout: ${what}`, () => check(open, pairs.map(([from, to]) => ({ from, to })), channels));
}

test("every way to give three descriptors three numbers ends right", () => {
  const places = [0, 1, 2, 3, 4];
  for (const a of places) {
    for (const b of places) {
      for (const c of places) {
        if (a === b || b === c || a === c) continue;
        check(places, [{ from: 0, to: a }, { from: 1, to: b }, { from: 2, to: c }], [3, 4]);
      }
    }
  }
});

/** Mulberry32: the same numbers for the same seed, on every runtime. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

test("whatever is open, closed and asked for, exactly that is there after the moves", () => {
  for (let seed = 1; seed <= 4000; seed++) {
    const below = random(seed);
    const span = 3 + below(14);
    // Low numbers are often closed here: then pipes and files get them.
    const open = Array.from({ length: span }, (_, fd) => fd).filter(() => below(4) > 0);
    if (open.length === 0) continue;
    const pick = () => open[below(open.length)] ?? 0;
    const targets = new Set(Array.from({ length: below(9) }, () => below(span + 4)));
    const mappings = [...targets].map((to) => ({ from: pick(), to }));
    const sources = new Set(mappings.map((each) => each.from));
    const channels = open.filter((fd) => !sources.has(fd) && below(3) === 0).slice(0, 3);
    check(open, mappings, channels);
  }
});

test("a lone descriptor costs one copy and one close of all the others", () => {
  const { moves } = layout([{ from: 3, to: 0 }]);
  assertEquals(moves, [
    { kind: "dup", from: 3, to: 0, cloexec: false },
    { kind: "closeRange", first: 1, last: 0xffff_ffff },
  ]);
});

test("two descriptors for one number are refused", () => {
  assertThrows(() => layout([{ from: 3, to: 5 }, { from: 4, to: 5 }]), RangeError, "same target");
});
