import { assertEquals, assertStrictEquals } from "@std/assert";
import { test } from "node:test";
import { Result, type ResultFields } from "../../core/result/result.ts";
import { decodeStatus } from "../../core/result/status.ts";
import { resultOf } from "../support/results.ts";

test("a result has every field that it was made from", () => {
  const fields: ResultFields = {
    command: "tool '***'",
    argv: ["tool", "***"],
    pid: 77,
    status: decodeStatus(0x500),
    stdoutBytes: new Uint8Array([0x61]),
    stderrBytes: new Uint8Array([0x62]),
    durationMs: 12.5,
    usage: { userMs: 1, systemMs: 2, maxRssBytes: 3 },
    timedOut: true,
    drained: false,
    daemonPid: 99,
  };
  const result = new Result(fields);
  for (const [name, value] of Object.entries(fields)) {
    assertStrictEquals<unknown>(result[name as keyof ResultFields], value, name);
  }
});

test("code and signal are those of the status", () => {
  const ended = resultOf({ raw: 0x500 });
  assertEquals([ended.code, ended.signal, ended.status.success], [5, null, false]);
  const killed = resultOf({ raw: 9 });
  assertEquals([killed.code, killed.signal, killed.status.success], [null, "SIGKILL", false]);
});

const TEXTS: [what: string, bytes: number[], text: string][] = [
  ["nothing", [], ""],
  ["text, its last line end included", [0x61, 0x0a], "a\n"],
  ["characters of several bytes", [0xc3, 0xbc, 0xf0, 0x9f, 0x98, 0x80], "ü😀"],
  ["a byte order mark, which stays", [0xef, 0xbb, 0xbf, 0x61], "\ufeffa"],
  ["bytes that are no UTF-8", [0x61, 0xff, 0x62], "a\ufffdb"],
  ["half a character at the end", [0x61, 0xc3], "a\ufffd"],
  ["NUL bytes", [0, 0x61, 0], "\0a\0"],
];

for (const [what, bytes, text] of TEXTS) {
  test(`output is decoded: ${what}`, () => {
    const out = resultOf({ stdoutBytes: new Uint8Array(bytes) });
    const err = resultOf({ stderrBytes: new Uint8Array(bytes) });
    assertEquals([out.stdout, out.stderr, err.stdout, err.stderr], [text, "", "", text]);
    assertEquals([...out.stdoutBytes], bytes);
  });
}

test("output is decoded once, when it is first looked at", () => {
  const stdoutBytes = new TextEncoder().encode("later");
  const result = resultOf({ stdoutBytes });
  stdoutBytes.set(new TextEncoder().encode("LATER"));
  assertEquals(result.stdout, "LATER");
  stdoutBytes.fill(0);
  assertEquals(result.stdout, "LATER");
});
