import { assert, assertEquals } from "@std/assert";
import os from "node:os";
import { test } from "node:test";
import { signalName, signalNumber, signals } from "../../core/tables/signals.ts";

test("every signal that the system's headers name has its number", () => {
  const known: Readonly<Record<string, number>> = signals;
  // Second names of SIGABRT and SIGIO, and one that Linux has no use for.
  const aliases = new Set(["SIGIOT", "SIGPOLL", "SIGUNUSED", "SIGBREAK", "SIGLOST", "SIGINFO"]);
  const expected = Object.entries(os.constants.signals).filter(([name]) => !aliases.has(name));
  assert(expected.length > 28);
  for (const [name, number] of expected) assertEquals([name, known[name]], [name, number]);
});

test("each number from 1 to 31 has a name of its own", () => {
  const names = new Set(Array.from({ length: 31 }, (_, i) => signalName(i + 1)));
  assertEquals([names.size, [...names].every((name) => name in signals)], [31, true]);
});

const NUMBERS: [given: string | number, number: number | undefined][] = [
  ["SIGTERM", 15],
  ["TERM", 15],
  ["term", 15],
  ["sigkill", 9],
  ["SigHup", 1],
  ["SIGRTMIN", 34],
  ["SIGRTMAX", 64],
  [0, 0],
  [1, 1],
  [40, 40],
  [64, 64],
  [65, undefined],
  [-1, undefined],
  [1.5, undefined],
  [NaN, undefined],
  [Infinity, undefined],
  ["", undefined],
  ["SIG", undefined],
  ["15", undefined],
  ["SIGNOPE", undefined],
  [" SIGTERM", undefined],
  ["SIGSIGTERM", undefined],
  ["toString", undefined],
];

for (const [given, number] of NUMBERS) {
  test(`the signal ${JSON.stringify(given)} is ${number ?? "none"}`, () => {
    assertEquals(signalNumber(given), number);
  });
}

test("what is neither text nor a number is no signal", () => {
  for (const given of [null, undefined, {}, ["SIGTERM"], 15n]) {
    assertEquals(signalNumber(given as unknown as string), undefined);
  }
});

const NAMES: [number, string][] = [
  [9, "SIGKILL"],
  [34, "SIGRTMIN"],
  [37, "SIGRTMIN+3"],
  [63, "SIGRTMIN+29"],
  [64, "SIGRTMAX"],
  [32, "signal 32"],
  [65, "signal 65"],
];

for (const [number, name] of NAMES) {
  test(`signal number ${number} is called ${name}`, () => assertEquals(signalName(number), name));
}
