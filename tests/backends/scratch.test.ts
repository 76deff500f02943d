import { assert, assertEquals, assertThrows } from "@std/assert";
import { test } from "node:test";
import { place, regions, SCRATCH } from "../../backends/native/scratch.ts";

test("regions lie behind one another, aligned, and never overlap", () => {
  const layout = Object.values(regions({ a: 1, b: 16, c: 7, d: 8, e: 1000 }));
  layout.forEach(({ at }, i) => {
    const before = layout[i - 1];
    assertEquals(at % 8, 0);
    assert(before === undefined || at >= before.at + before.size);
  });
});

test("a layout that does not fit is refused when it is made", () => {
  regions({ all: SCRATCH });
  assertThrows(() => regions({ all: SCRATCH, more: 1 }), RangeError);
});

test("what does not fit its region is refused before it is written", () => {
  const { a, b } = regions({ a: 16, b: 8 });
  assertEquals([place(4096, a), place(4096, b, 8)], [4096, 4112]);
  assertThrows(() => place(4096, a, 17), RangeError);
});
