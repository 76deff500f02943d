import { assert, assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import { test } from "node:test";
import { Command } from "../../core/command.ts";
import { specOf } from "../support/spec.ts";
import {
  AbortError,
  ExitError,
  MaxBufferError,
  ResultError,
  TimeoutError,
} from "../../core/result_errors.ts";
import { checkResult, type KillReason } from "../../core/run/check_result.ts";
import { checkOptions, type RunOptions } from "../../core/command/options.ts";
import type { Result } from "../../core/result/result.ts";
import { secret } from "../../core/text/secret.ts";
import { resultOf } from "../support/results.ts";

const TIMEOUT: KillReason = { why: "timeout", timeout: 50 };
const ABORT: KillReason = { why: "abort", reason: "enough" };
const OVERFLOW: KillReason = { why: "overflow", stream: "stdout", limit: 10 };
const INPUT: KillReason = { why: "input" };

/** What the judgement comes to: the error, or undefined if the result is returned. */
function judged(
  result: Result,
  options: RunOptions = {},
  killReason?: KillReason,
  cmd = new Command("tool"),
): Error | undefined {
  try {
    const context = { spec: specOf(cmd), plan: { command: "tool '***'" }, killReason };
    assertStrictEquals(checkResult(result, checkOptions(options), context), result);
    return undefined;
  } catch (error) {
    assertInstanceOf(error, Error);
    return error;
  }
}

type Row = [what: string, raw: number, options: RunOptions, verdict: KillReason | undefined];

const FINE: Row[] = [
  ["exit status 0", 0, {}, undefined],
  ["an exit status that was named", 0x300, { okCodes: [0, 3] }, undefined],
  ["any exit status without check", 0x300, { check: false }, undefined],
  ["any signal without check", 9, { check: false }, undefined],
  ["a time limit without check", 15, { check: false, timeout: 50 }, TIMEOUT],
  ["input that failed, where the program ended well all the same", 0, {}, INPUT],
];

for (const [what, raw, options, killReason] of FINE) {
  test(`no error: ${what}`, () =>
    assertEquals(judged(resultOf({ raw }), options, killReason), undefined));
}

const BAD: [...Row, Class: typeof ResultError | typeof AbortError, message: string][] = [
  ["another exit status", 0x300, {}, undefined, ExitError, "exit status 3: tool '***'"],
  [
    "0, if only others were named",
    0,
    { okCodes: [1] },
    undefined,
    ExitError,
    "exit status 0: tool '***'",
  ],
  ["a signal", 9, {}, undefined, ExitError, "killed by SIGKILL: tool '***'"],
  [
    "a signal is no exit code",
    9,
    { okCodes: [9, 137] },
    undefined,
    ExitError,
    "killed by SIGKILL: tool '***'",
  ],
  ["a time limit", 15, {}, TIMEOUT, TimeoutError, "timed out after 50 ms: tool '***'"],
  [
    "a time limit, though the program exited with 0",
    0,
    {},
    TIMEOUT,
    TimeoutError,
    "timed out after 50 ms: tool '***'",
  ],
  ["an abort", 15, {}, ABORT, AbortError, "aborted: tool '***'"],
  ["an abort without check", 15, { check: false }, ABORT, AbortError, "aborted: tool '***'"],
  [
    "too much output",
    15,
    {},
    OVERFLOW,
    MaxBufferError,
    "stdout exceeded maxBuffer (10 bytes): tool '***'",
  ],
  [
    "too much output without check",
    15,
    { check: false },
    OVERFLOW,
    MaxBufferError,
    "stdout exceeded maxBuffer (10 bytes): tool '***'",
  ],
  ["input that failed, and a bad end", 15, {}, INPUT, ExitError, "killed by SIGTERM: tool '***'"],
];

for (const [what, raw, options, killReason, Class, message] of BAD) {
  test(`an error: ${what}`, () => {
    const result = resultOf({ raw });
    const error = judged(result, options, killReason);
    assert(error instanceof ResultError || error instanceof AbortError);
    assertStrictEquals(error.constructor, Class);
    assertEquals([error.message, error.command], [message, "tool '***'"]);
    assertStrictEquals(error.result, result);
    if (killReason?.why === "abort") assertEquals(error.cause, "enough");
  });
}

const said = (stderr: string, cmd?: Command) =>
  judged(resultOf({ raw: 0x100, stderr }), {}, undefined, cmd)?.message.split("\n").slice(1);

test("what the program complained about follows on lines of its own", () => {
  assertEquals(said("one\ntwo\n\n"), ["one", "two"]);
  assertEquals(said(" \n\t\n"), []);
});

test("of a long complaint the end is quoted, and marked as such", () => {
  assertEquals(said("x".repeat(2000)), ["x".repeat(2000)]);
  assertEquals(said(`${"x".repeat(2000)}y`), [`…${"x".repeat(1999)}y`]);
});

test("a secret that the program repeats is masked", () => {
  assertEquals(said("bad token: hunter2!", new Command("tool", secret("hunter2"))), [
    "bad token: ***!",
  ]);
});

test("no part of a secret is left where a complaint is cut or trimmed", () => {
  const cut = said(`hunter2${"x".repeat(1997)}`, new Command("tool", secret("hunter2")));
  assertEquals(cut, [`***${"x".repeat(1997)}`]);
  const trimmed = said("token: hunter2 \n", new Command("tool", secret("hunter2 \n")));
  assertEquals(trimmed, ["token: ***"]);
});
