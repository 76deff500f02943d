import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { test } from "node:test";
import {
  CommandError,
  HandshakeError,
  isErrno,
  PermissionError,
  SpawnError,
  type SpawnFailure,
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
  ["PermissionError", new PermissionError("m", { code: "NotCapable" })],
  ["SystemCallError", new SystemCallError("read", 5)],
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

test("a SystemCallError says which call failed, on what and why, and for which command", () => {
  const cause = new RangeError();
  const error = new SystemCallError("write", 28, { path: "/x", command: "tool", cause });
  assertEquals(
    error.message,
    'write "/x": ENOSPC: No space left on device; command: tool',
  );
  const { syscall, errno, code, path, command } = error;
  assertEquals([syscall, errno, code, path, command], ["write", 28, "ENOSPC", "/x", "tool"]);
  assertStrictEquals(error.cause, cause);
  assertEquals(new SystemCallError("read", 5).message, "read: EIO: Input/output error");
  const said = new SystemCallError("read", 5, { detail: "the disk is gone" });
  assertEquals(said.message, "read: EIO: the disk is gone");
});

test("a PermissionError says what was refused, and keeps what the runtime reported", () => {
  const cause = new RangeError();
  const fields = { code: "NotCapable", permission: "run", resource: "/bin/true", cause };
  const error = new PermissionError("Requires run access", { ...fields, command: "true" });
  assertEquals(
    error.message,
    'not permitted by the runtime: run "/bin/true": Requires run access; command: true',
  );
  const { code, permission, resource, command } = error;
  assertEquals([code, permission, resource, command], ["NotCapable", "run", "/bin/true", "true"]);
  assertStrictEquals(error.cause, cause);
  const bare = new PermissionError("no", { code: "ERR_ACCESS_DENIED" });
  assertEquals(bare.message, "not permitted by the runtime: no");
  assertEquals([bare.permission, bare.resource], [undefined, undefined]);
});

/** What a result that was read in the wrong place looks like: a pid, a success, a pointer. */
const NO_ERRNOS = [0, -2, -8318, 8318, 4096, 2.5, NaN, Infinity, 2 ** 31];

for (const errno of NO_ERRNOS) {
  test(`${errno} is no error number: no error blames the system with it`, () => {
    assert(!isErrno(errno));
    for (
      const make of [
        () => new SpawnError({ ...FAILURE, step: "session", errno, command: "tool" }),
        () => new SystemCallError("read", errno, { command: "tool" }),
      ]
    ) {
      const error = assertThrows(make);
      assertInstanceOf(error, CommandError);
      assertEquals([error.constructor, error.command], [CommandError, "tool"]);
      assert(error.message.startsWith("internal error: "), error.message);
      assert(error.message.includes(String(errno)));
    }
  });
}

test("every error number that Linux can return is one", () => {
  for (const errno of [1, 2, 132, 133, 512, 4095]) assert(isErrno(errno));
});

test("an AbortError is a ResultError if, and only if, there is a result", () => {
  const [before, during] = [new AbortError("m"), new AbortError("m", { result })];
  assertEquals([before instanceof ResultError, during instanceof ResultError], [false, true]);
  for (const error of [before, during]) {
    assertInstanceOf(error, AbortError);
    assertInstanceOf(error, CommandError);
    for (const Class of [ExitError, TimeoutError, MaxBufferError, SpawnError]) {
      assert(!(error instanceof Class));
    }
  }
  const fields = (
    { code, exitCode, signal, stdout, stderr }: AbortError,
  ) => [code, exitCode, signal, stdout, stderr];
  assertEquals(fields(before), [undefined, undefined, undefined, undefined, undefined]);
  assertEquals(fields(during), [3, 3, null, "out", "err"]);
  // Nor is anything else one that has a result.
  for (const other of [{ result }, Object.assign(new Error(), { result }), null, undefined, 1]) {
    assert(!(other instanceof ResultError));
  }
  assert(new ExitError("m", result) instanceof ResultError);
  assert(!(new ResultError("m", result) instanceof ExitError));
});

test("an AbortError has the signal's reason, and a result only if something ran", () => {
  const before = new AbortError("m", { command: "true", cause: "reason" });
  assertEquals([before.result, before.cause, before.command], [undefined, "reason", "true"]);
  assertStrictEquals(new AbortError("m", { result }).result, result);
});

test("errors of another copy of the library count by the names of their classes", async () => {
  const [errors, resultErrors] = ["../../core/errors.ts?copy", "../../core/result_errors.ts?copy"];
  const { StateError: OtherState }: typeof import("../../core/errors.ts") = await import(errors!);
  const { ExitError: OtherExit }: typeof import("../../core/result_errors.ts") = await import(
    resultErrors!
  );
  assert(OtherState !== StateError && OtherExit !== ExitError);
  const [state, exit] = [new OtherState("too late"), new OtherExit("", resultOf({ raw: 3 << 8 }))];
  for (const each of [StateError, CommandError, Error]) assertInstanceOf(state, each);
  for (const each of [UsageError, ResultError]) assert(!(state instanceof each));
  for (const each of [ExitError, ResultError, CommandError]) assertInstanceOf(exit, each);
  for (const each of [SpawnError, TimeoutError, AbortError]) assert(!(exit instanceof each));
  // Nor does the name alone make one.
  class Impostor extends Error {}
  Object.defineProperty(Impostor, "name", { value: "CommandError" });
  assert(!(new Impostor() instanceof CommandError));
  for (const value of [null, undefined, "CommandError", { name: "CommandError" }]) {
    assert(!(value instanceof CommandError));
  }
});
