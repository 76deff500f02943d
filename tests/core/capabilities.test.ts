import { assert, assertEquals } from "@std/assert";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { capabilities, capabilityName, capabilityNumber } from "../../core/tables/capabilities.ts";

test("the capabilities are numbered from 0 to 40 without a gap", () => {
  const numbers: number[] = Object.values(capabilities);
  assertEquals(numbers, Array.from({ length: 41 }, (_, i) => i));
});

test("every capability of the running kernel has a name", () => {
  const last = Number(readFileSync("/proc/sys/kernel/cap_last_cap", "utf8"));
  for (let n = 0; n <= last; n++) assert(capabilityName(n) !== String(n), `capability ${n}`);
});

test("names and numbers lead to each other, with and without CAP_", () => {
  for (const [name, number] of Object.entries(capabilities)) {
    assertEquals(capabilityName(number), name);
    assertEquals(capabilityNumber(name), number);
    assertEquals(capabilityNumber(`CAP_${name.toUpperCase()}`), number);
  }
});

/** A few by hand, from linux/capability.h: a shift of the whole table would show here. */
const NUMBERS: [given: string | number, number: number | undefined][] = [
  ["chown", 0],
  ["kill", 5],
  ["net_raw", 13],
  ["CAP_NET_RAW", 13],
  ["Cap_Sys_Admin", 21],
  ["checkpoint_restore", 40],
  [0, 0],
  [41, 41],
  [63, 63],
  [64, undefined],
  [-1, undefined],
  [0.5, undefined],
  [NaN, undefined],
  ["", undefined],
  ["cap_", undefined],
  ["net raw", undefined],
  ["13", undefined],
  ["toString", undefined],
];

for (const [given, number] of NUMBERS) {
  test(`the capability ${JSON.stringify(given)} is ${number ?? "none"}`, () => {
    assertEquals(capabilityNumber(given), number);
  });
}

test("what is neither text nor a number is no capability", () => {
  for (const given of [null, undefined, {}, ["kill"], 5n]) {
    assertEquals(capabilityNumber(given as unknown as string), undefined);
  }
});

test("a capability without a name is called by its number", () => {
  assertEquals(capabilityName(50), "50");
});
