import { assert, assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import { test } from "node:test";
import {
  AbortError,
  CommandError,
  ExitError,
  HandshakeError,
  MaxBufferError,
  ResultError,
  SpawnError,
  type SpawnFailure,
  StateError,
  TimeoutError,
  UnsupportedError,
  UsageError,
} from "../../core/errors.ts";
import { resultOf } from "../support/results.ts";

const FAILURE: SpawnFailure = {
  step: "exec",
  syscall: "execve",
  args: ['"/x"', '["x"]', "/* 3 vars */"],
  errno: 2,
};

const result = resultOf({ raw: 0x300, stdout: "out", stderr: "err" });

const CLASSES: [name: string, error: CommandError][] = [
  ["CommandError", new CommandError("m")],
  ["UsageError", new UsageError("m")],
  ["StateError", new StateError("m")],
  ["UnsupportedError", new UnsupportedError({ feature: "f", driver: "d", remedy: "r" })],
  ["SpawnError", new SpawnError(FAILURE)],
  ["AbortError", new AbortError("m")],
  ["HandshakeError", new HandshakeError("m")],
  ["ResultError", new ResultError("m", result)],
];

for (const [name, error] of CLASSES) {
  test(`a ${name} is an Error and a CommandError, and has its own name`, () => {
    assertInstanceOf(error, Error);
    assertInstanceOf(error, CommandError);
    assertEquals([error.name, error.constructor.name], [name, name]);
    assert(error.stack?.includes(error.message));
  });
}

for (const Class of [ExitError, TimeoutError, MaxBufferError]) {
  test(`a ${Class.name} is a ResultError, and carries the whole result`, () => {
    const cause = new RangeError();
    const error = new Class("m", result, { command: "true", cause });
    assertInstanceOf(error, ResultError);
    assertInstanceOf(error, CommandError);
    assertStrictEquals(error.result, result);
    assertStrictEquals(error.cause, cause);
    assertEquals([error.name, error.message, error.command], [Class.name, "m", "true"]);
    assertEquals([error.code, error.signal, error.exitCode], [3, null, 3]);
    assertEquals([error.stdout, error.stderr], ["out", "err"]);
  });
}

test("command and cause are there only if they were given", () => {
  const bare = new CommandError("m");
  assertEquals([bare.command, "cause" in bare], [undefined, false]);
  const full = new CommandError("m", { command: "true", cause: "c" });
  assertEquals([full.command, full.cause], ["true", "c"]);
});

/** What a shell would report, from the raw status. */
const EXIT_CODES: [raw: number, exitCode: number, signal: string | null][] = [
  [0, 0, null],
  [0xff00, 255, null],
  [9, 137, "SIGKILL"],
  [0x80 | 11, 139, "SIGSEGV"],
  [64, 192, "SIGRTMAX"],
];

for (const [raw, exitCode, signal] of EXIT_CODES) {
  test(`the exit code of the raw status 0x${raw.toString(16)} is ${exitCode}`, () => {
    const error = new ExitError("m", resultOf({ raw }));
    assertEquals([error.exitCode, error.signal], [exitCode, signal]);
    assertEquals(error.code, signal === null ? exitCode : null);
  });
}

/** The statuses that shells and libvirt report for a program that did not run. */
const SPAWN_CODES: [step: string, errno: number, code: string, exitCode: number][] = [
  ["exec", 2, "ENOENT", 127],
  ["exec", 13, "EACCES", 126],
  ["exec", 8, "ENOEXEC", 126],
  ["exec", 7, "E2BIG", 126],
  ["exec", 20, "ENOTDIR", 126],
  ["chdir", 2, "ENOENT", 125],
  ["chdir", 13, "EACCES", 125],
  ["fds", 9, "EBADF", 125],
  ["preExec", 125, "ECANCELED", 125],
];

for (const [step, errno, code, exitCode] of SPAWN_CODES) {
  test(`${code} in step ${step} is the exit code ${exitCode}`, () => {
    const error = new SpawnError({ ...FAILURE, step, errno });
    assertEquals([error.step, error.errno, error.code], [step, errno, code]);
    assertEquals([error.errnoName, error.exitCode], [code, exitCode]);
  });
}

test("a SpawnError names the file at fault, the reason, the call and the command", () => {
  const error = new SpawnError({ ...FAILURE, path: "/x", command: "x --y" });
  assertEquals(
    error.message,
    'cannot start: step exec: "/x": ENOENT: No such file or directory ' +
      '[execve("/x", ["x"], /* 3 vars */)]; command: x --y',
  );
  assertEquals([error.path, error.syscall, error.command], ["/x", "execve", "x --y"]);
  assertEquals(error.args, FAILURE.args);
});

test("without a file at fault a SpawnError names the call", () => {
  const error = new SpawnError({ step: "umask", syscall: "umask", args: ["022"], errno: 999 });
  assertEquals(error.message, "cannot start: step umask: umask(022): errno 999: unknown error");
  assertEquals([error.path, error.command, error.code], [undefined, undefined, "errno 999"]);
});

test("another word on the cause goes before the error's own text, and the cause is kept", () => {
  const cause = new RangeError("of the hook");
  const error = new SpawnError({ ...FAILURE, step: "preExec", detail: "hook failed", cause });
  assert(error.message.startsWith("cannot start: step preExec: execve("));
  assert(error.message.endsWith(": hook failed"));
  assertStrictEquals(error.cause, cause);
});

test("a line break in a file's name does not break the message", () => {
  const error = new SpawnError({ ...FAILURE, path: "/a\nb" });
  assertEquals(error.message.split("\n").length, 1);
});

test("an UnsupportedError says what, by which driver, why, and the way out", () => {
  const fields = { feature: "umask", driver: "portable", remedy: "use Linux" };
  const error = new UnsupportedError({ ...fields, command: "true" });
  assertEquals(error.message, "umask is not supported by the portable driver: use Linux");
  assertEquals([error.feature, error.driver, error.remedy], ["umask", "portable", "use Linux"]);
  assertEquals(error.command, "true");
  const because = new UnsupportedError({ ...fields, reason: "no FFI" });
  assertEquals(
    because.message,
    "umask is not supported by the portable driver (no FFI): use Linux",
  );
});

test("an AbortError has the signal's reason, and a result only if something ran", () => {
  const before = new AbortError("m", { command: "true", cause: "reason" });
  assertEquals([before.result, before.cause, before.command], [undefined, "reason", "true"]);
  assertStrictEquals(new AbortError("m", { result }).result, result);
});
