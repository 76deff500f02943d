import { assertEquals } from "@std/assert";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { LIMIT_INFINITY, limits, type LimitValue, limitValue } from "../../core/tables/limits.ts";

test("the sixteen limits have the numbers 0 to 15, in the order of asm-generic/resource.h", () => {
  assertEquals(Object.entries(limits).map(([name, number]) => `${name} ${number}`), [
    "cpu 0",
    "fsize 1",
    "data 2",
    "stack 3",
    "core 4",
    "rss 5",
    "nproc 6",
    "nofile 7",
    "memlock 8",
    "as 9",
    "locks 10",
    "sigpending 11",
    "msgqueue 12",
    "nice 13",
    "rtprio 14",
    "rttime 15",
  ]);
});

test("there are as many limits as the running kernel has", () => {
  const lines = readFileSync("/proc/self/limits", "utf8").trimEnd().split("\n");
  assertEquals(Object.keys(limits).length, lines.length - 1);
});

const VALUES: [given: LimitValue, kept: bigint | undefined][] = [
  [0, 0n],
  [1024, 1024n],
  [Number.MAX_SAFE_INTEGER, 9007199254740991n],
  [0n, 0n],
  [2n ** 64n - 2n, 2n ** 64n - 2n],
  [2n ** 64n - 1n, LIMIT_INFINITY],
  ["unlimited", 18446744073709551615n],
  [-1, undefined],
  [1.5, undefined],
  [NaN, undefined],
  [Infinity, undefined],
  [2 ** 53, undefined],
  [-1n, undefined],
  [2n ** 64n, undefined],
];

for (const [given, kept] of VALUES) {
  test(`the limit ${given} (${typeof given}) is ${kept ?? "refused"}`, () => {
    assertEquals(limitValue(given), kept);
  });
}

test("what is no amount is refused, text other than unlimited too", () => {
  for (const given of ["", "1024", "UNLIMITED", null, undefined, {}, true]) {
    assertEquals(limitValue(given as unknown as LimitValue), undefined);
  }
});
