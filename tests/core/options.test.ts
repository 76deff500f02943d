import {
  assertEquals,
  assertMatch,
  assertObjectMatch,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { test } from "node:test";
import { UsageError } from "../../core/errors.ts";
import { after, checkOptions, type RunOptions } from "../../core/command/options.ts";

test("what is not said has its documented default", () => {
  assertObjectMatch(checkOptions({}), {
    check: true,
    okCodes: [0],
    timeout: undefined,
    signal: undefined,
    killSignal: 15,
    grace: 2000,
    maxBuffer: Infinity,
    drain: 1000,
  });
});

test("an option that is undefined was not said", () => {
  const unsaid = { check: undefined, okCodes: undefined, timeout: undefined, grace: undefined };
  assertEquals(checkOptions(unsaid as unknown as RunOptions), checkOptions({}));
});

test("what was said is kept", () => {
  const { signal } = new AbortController();
  const said = { check: false, okCodes: [0, 1, 255], timeout: 5, signal, grace: 0, drain: 7.5 };
  const checked = checkOptions({ ...said, killSignal: "SIGINT", maxBuffer: 0 });
  assertObjectMatch(checked, {
    ...said,
    killSignal: 2,
    maxBuffer: 0,
  });
  assertStrictEquals(checked.signal, signal);
});

test("a later call keeps what an earlier one said, but for what it says itself", () => {
  const first = checkOptions({ timeout: 5, check: false, killSignal: 9, okCodes: [3] });
  assertEquals(checkOptions({ timeout: 6 }, first), { ...first, timeout: 6 });
});

const ACCEPTED: [option: keyof RunOptions, value: unknown, kept: unknown][] = [
  ["timeout", 0, 0],
  ["timeout", Infinity, Infinity],
  ["killSignal", "term", 15],
  ["killSignal", 64, 64],
  ["okCodes", [], []],
];

for (const [option, value, kept] of ACCEPTED) {
  test(`${option}: ${JSON.stringify(value)} (${String(value)}) is accepted`, () => {
    assertEquals<unknown>(checkOptions({ [option]: value })[option], kept);
  });
}

const REFUSED: [option: keyof RunOptions, values: unknown[]][] = [
  ["timeout", [-1, NaN, "5", 5n, null]],
  ["grace", [-1, NaN, "5"]],
  ["drain", [-0.5, NaN, "5"]],
  ["maxBuffer", [-1, NaN, "1k", 5n]],
  ["killSignal", [0, -1, 65, 1.5, "", "SIGNOPE"]],
  ["okCodes", [0, "0", null, [256], [-1], [NaN], [1.5], ["1"], [null], [0, undefined]]],
  ["signal", [{}, "SIGTERM", new AbortController(), null]],
];

for (const [option, values] of REFUSED) {
  for (const value of values) {
    test(`${option}: ${Array.isArray(value) ? `[${value.map(String)}]` : String(value)} (${typeof value}) is a UsageError`, () => {
      const error = assertThrows(() => checkOptions({ [option]: value }), UsageError);
      assertMatch(error.message, new RegExp(`^${option}: `));
    });
  }
}

test("an action runs after its delay, unless it was stopped", async () => {
  const order: string[] = [];
  const stop = after(0, () => order.push("stopped"));
  stop();
  await new Promise<void>((resolve) => {
    after(0, () => order.push("first"));
    after(1, resolve);
  });
  assertEquals(order, ["first"]);
});

test("a delay that no timer can hold never comes, instead of coming at once", async () => {
  let came = 0;
  const stops = [2 ** 31, 1e300, Infinity].map((delay) => after(delay, () => came++));
  await new Promise<void>((resolve) => void after(2, resolve));
  for (const stop of stops) stop();
  assertEquals(came, 0);
});
