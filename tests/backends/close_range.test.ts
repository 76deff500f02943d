import { assertEquals } from "@std/assert";
import { test } from "node:test";
import { closeAllBut, closeRange } from "../../backends/child_program/close_range.ts";
import { LAST_FD } from "../../core/plan/descriptors.ts";

const names = (first: number, last: number, openBelow: number | undefined) =>
  closeRange("fds", first, last, openBelow).map(({ name, each }) => [name, each]);

test("a range is one call where the kernel has it", () => {
  assertEquals(names(3, LAST_FD, undefined), [["close_range", undefined]]);
  assertEquals(names(4, 3, undefined), []);
});

test("without it, each number that may be open is closed, and a failure of that is none", () => {
  assertEquals(names(3, LAST_FD, 6), [["close", [3, 4, 5]]]);
  assertEquals(names(3, 4, 6), [["close", [3, 4]]]);
  assertEquals(names(6, 9, 6), []);
  assertEquals(closeRange("fds", 3, 4, 6)[0]?.ignoresErrors, true);
});

test("all but some descriptors are closed, in the gaps between them and above", () => {
  const closed = (kept: number[]) =>
    closeAllBut("preExec", kept, 9).map(({ each }) => [each?.[0], each?.at(-1)]);
  assertEquals(closed([2, 0, 1, 5]), [[3, 4], [6, 8]]);
  assertEquals(closed([4]), [[0, 3], [5, 8]]);
});
