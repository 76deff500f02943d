import { assert, assertEquals, assertMatch } from "@std/assert";
import { test } from "node:test";
import { Command } from "../../core/command.ts";
import {
  CommandError,
  HandshakeError,
  PermissionError,
  SpawnError,
  StateError,
  SystemCallError,
  UnsupportedError,
  UsageError,
} from "../../core/errors.ts";
import {
  AbortError,
  ExitError,
  MaxBufferError,
  ResultError,
  TimeoutError,
} from "../../core/result_errors.ts";
import {
  displayArgument,
  displayCommand,
  escaped,
  escapedLines,
  quoted,
} from "../../core/text/escape.ts";
import { resultOf } from "../support/results.ts";

const TABLE: [what: string, text: string, shown: string][] = [
  ["plain text", "grüße, 世界 🙂", "grüße, 世界 🙂"],
  ["a backslash", "\\x1b", "\\x1b"],
  ["NUL", "a\0b", "a\\x00b"],
  ["the escape of terminals", "\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"],
  ["the title of a window", "\x1b]0;owned\x07", "\\x1b]0;owned\\x07"],
  ["backspaces", "rm\b\bls", "rm\\x08\\x08ls"],
  ["a carriage return", "hidden\rshown", "hidden\\rshown"],
  ["DEL", "\x7f", "\\x7f"],
  ["C1: CSI and NEL in one character", "\x9b2J\x85", "\\x9b2J\\x85"],
  ["line and paragraph separators", "a\u2028b\u2029c", "a\\u2028b\\u2029c"],
  [
    "embeddings and overrides",
    "\u202agpj\u202b.\u202c\u202d\u202eexe",
    "\\u202agpj\\u202b.\\u202c\\u202d\\u202eexe",
  ],
  ["isolates", "\u2066\u2067\u2068\u2069", "\\u2066\\u2067\\u2068\\u2069"],
  ["marks of direction", "\u200e\u200f\u061c", "\\u200e\\u200f\\u061c"],
  ["a joiner of emojis stays", "👩\u200d🚀", "👩\u200d🚀"],
];

for (const [what, text, display] of TABLE) {
  test(`${what} on one line, and in lines`, () => {
    assertEquals(escaped(text), display);
    assertEquals(escapedLines(text), display);
    assertEquals(escaped(display), display);
  });
}

test("line feeds and tabs stay only where a text may have several lines", () => {
  assertEquals(escaped("a\n\tb\r\n"), "a\\n\\tb\\r\\n");
  assertEquals(escapedLines("a\n\tb\r\n"), "a\n\tb\\r\n");
});

test("no control character, separator or mark is left of all there are", () => {
  // deno-lint-ignore no-control-regex -- control characters are what it looks for
  const unsafe = /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;
  const all = Array.from({ length: 0x2100 }, (_, code) => String.fromCharCode(code)).join("");
  assert(unsafe.test(all));
  assert(!unsafe.test(escaped(all)));
  assert(!unsafe.test(escapedLines(all).replaceAll(/[\n\t]/g, "")));
  // And nothing else is touched.
  const plain = all.replaceAll(new RegExp(unsafe, "g"), "");
  assertEquals(escaped(plain), plain);
});

test("quoted text is what JSON makes of it, and safe", () => {
  assertEquals(quoted('a "b"\n\u202e\x9b'), '"a \\"b\\"\\n\\u202e\\x9b"');
});

test("a long command and a long argument are cut, and say how much is missing", () => {
  const long = "x".repeat(200_000);
  assertMatch(displayCommand(long), /^x{4000}… \(196000 more characters\)$/);
  assertMatch(displayArgument(long), /^x{1000}… \(199000 more characters\)$/);
  assertEquals(displayCommand("x".repeat(4000)), "x".repeat(4000));
  const pairs = displayArgument(`x${"🙂".repeat(1000)}`);
  assert(pairs.isWellFormed());
});

const EVIL = "a\x1b]0;owned\x07\u202egnp.exe\r\nFAKE LOG LINE\u2028\x9b2J";
const result = resultOf({ raw: 0x100, stderr: EVIL });

/** Errors of every class, with hostile text wherever it can get in. */
const ERRORS: CommandError[] = [
  new CommandError(EVIL, { command: EVIL }),
  new UsageError(EVIL, { command: EVIL }),
  new StateError(EVIL, { command: EVIL }),
  new UnsupportedError({ feature: EVIL, driver: EVIL, remedy: EVIL, reason: EVIL, command: EVIL }),
  new PermissionError(EVIL, {
    code: "NotCapable",
    permission: "run",
    resource: EVIL,
    command: EVIL,
  }),
  new SystemCallError("read", 5, { path: EVIL, detail: EVIL, command: EVIL }),
  new SpawnError({
    step: "exec",
    syscall: "execve",
    args: [EVIL],
    errno: 2,
    path: EVIL,
    command: EVIL,
  }),
  new SpawnError({
    step: "exec",
    syscall: "execve",
    args: [EVIL],
    errno: 2,
    detail: EVIL,
    command: EVIL,
  }),
  new HandshakeError(EVIL, { command: EVIL }),
  new ResultError(EVIL, result, { command: EVIL }),
  new ExitError(EVIL, result, { command: EVIL }),
  new TimeoutError(EVIL, result, { command: EVIL }),
  new MaxBufferError(EVIL, result, { command: EVIL }),
  new AbortError(EVIL, { result, command: EVIL }),
];

for (const error of ERRORS) {
  test(`a ${error.name} with hostile text in it is one line that drives no terminal`, () => {
    // deno-lint-ignore no-control-regex -- control characters are what it looks for
    const unsafe = /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;
    assert(!unsafe.test(error.message), error.message);
    assert(!unsafe.test(error.command ?? ""), error.command);
    assert(!unsafe.test(String(error)));
    if (error instanceof SpawnError) assert(!unsafe.test(error.args.join()));
    // For programs, the path is what it is.
    if ("path" in error) assert(error.path === EVIL || error.path === undefined);
  });
}

test("the output that an error quotes has its own lines, and drives no terminal either", () => {
  const error = new ExitError("exit status 1", result, { output: "one\n\ttwo\x1b[2J\r\n" });
  assertEquals(error.message, "exit status 1\none\n\ttwo\\x1b[2J\\r\n");
});

test("a misuse shows what was given in one safe line", () => {
  for (
    const cmd of [
      new Command("true").user(`\0${EVIL}`),
      new Command("true").env(`=${EVIL}`, "x"),
      new Command("true").envPass(`=${EVIL}`),
      new Command("true").limit(EVIL as never, 1),
      new Command("true").allowCap(EVIL as never),
      new Command("true").argPair(EVIL, Symbol("s") as never),
    ]
  ) {
    const { message = "" } = cmd.error ?? {};
    assertEquals(message, escaped(message));
    assert(message !== "");
  }
});
