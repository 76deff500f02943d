import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { test } from "node:test";
import { useBackend } from "../../core/backend.ts";
import { Command } from "../../core/command.ts";
import { UsageError } from "../../core/errors.ts";
import { secret } from "../../core/text/secret.ts";

class BackendRequest extends Error {}

let requests = 0;
useBackend(() => {
  requests++;
  throw new BackendRequest("a backend was made");
});

const fail = () => {
  throw new Error("code of the caller");
};

/** A proxy that throws in every trap. */
const hostile = (target: object) =>
  new Proxy(target, new Proxy({}, { get: () => fail }) as ProxyHandler<object>);

function revoked(target: object): object {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

function detached(): Uint8Array {
  const bytes = new Uint8Array(8);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  return bytes;
}

const NAMES = ["default", "setuid", "as", "closeParent", "file", "append", "mode", "name", "args"];

const GARBAGE: readonly unknown[] = [
  undefined,
  null,
  true,
  NaN,
  -1,
  0.5,
  2 ** 60,
  -5n,
  2n ** 70n,
  "",
  "a\0b",
  "\ud800",
  "=",
  "relative/path",
  "http://[",
  Symbol("odd"),
  fail,
  [],
  [[], {}, Symbol("odd")],
  new Array(3),
  {},
  Object.create(null),
  Object.defineProperties({}, Object.fromEntries(NAMES.map((name) => [name, { get: fail }]))),
  Object.defineProperty({}, "A", { get: fail, enumerable: true }),
  Object.defineProperty([1], 0, { get: fail }),
  { on: fail, [Symbol.iterator]: fail },
  {
    get getReader() {
      return fail();
    },
  },
  { toString: fail, valueOf: fail, toJSON: fail, [Symbol.toPrimitive]: fail },
  { file: Symbol("odd") },
  secret(Symbol("odd") as never),
  secret("a\0b"),
  new URL("https://example.org"),
  new Date(NaN),
  new Uint16Array(3),
  new DataView(new ArrayBuffer(3)),
  detached(),
  hostile({}),
  hostile([]),
  hostile(() => {}),
  revoked({}),
  revoked([]),
  revoked(() => {}),
];

/** Methods that run the command or ask about it: those may need a backend. */
const NOT_BUILDING = new Set([
  "constructor",
  "run",
  "runSync",
  "spawn",
  "exec",
  "text",
  "bytes",
  "json",
  "lines",
  "runRegex",
  "runNul",
  "resolve",
  "toString",
  "explain",
  "writeArgLog",
]);

const METHODS = Object.entries(Object.getOwnPropertyDescriptors(Command.prototype))
  .filter(([name, { value }]) => typeof value === "function" && !NOT_BUILDING.has(name))
  .map(([name]) => name);

/** Calls a method with one value in each place, between values that are in order for most. */
function callsOf(odd: unknown): unknown[][] {
  return [
    [],
    [odd],
    [odd, odd],
    [odd, odd, odd],
    ["A", odd],
    ["nofile", odd],
    ["nofile", 1, odd],
    [
      "SCHED_RR",
      odd,
    ],
    ["best-effort", odd],
    [3, odd],
    [[odd]],
    [{ A: odd }],
    [{ file: "f", mode: odd }],
  ];
}

test("the building methods are found", () => {
  assert(METHODS.includes("arg") && METHODS.includes("preExec") && METHODS.includes("sendBuffer"));
});

for (const name of METHODS) {
  test(`${name} never throws and needs no backend, whatever it is given`, () => {
    for (const odd of GARBAGE) {
      for (const args of callsOf(odd)) {
        const command = new Command("true");
        const method = Reflect.get(command, name) as (...args: unknown[]) => unknown;
        const returned = method.apply(command, args);
        if (name === "sendBuffer") assertEquals(returned, 3);
        else assert(returned === command);
        const { error } = command;
        if (error !== undefined) assertInstanceOf(error, UsageError);
        assertEquals(command.argv[0], name === "arg0" ? command.argv[0] : "true");
      }
    }
    assertEquals(requests, 0);
  });
}

test("no argument list makes the constructor throw", () => {
  const Made = Command as unknown as {
    new (...args: unknown[]): Command;
    from(argv: unknown): Command;
  };
  for (const odd of GARBAGE) {
    for (const made of [new Made(odd), new Made("true", odd), Made.from(odd), Made.from([odd])]) {
      assert(made instanceof Command);
      assert(Array.isArray(made.argv));
    }
  }
  assertInstanceOf(Made.from(revoked([])).error, UsageError);
  assertEquals(requests, 0);
});

test("an exception of the caller's own code is the cause of the misuse", () => {
  const { error } = new Command("true").env(
    Object.defineProperty({}, "A", { get: fail, enumerable: true }),
  );
  assertEquals(error?.message, "env: code of the caller");
  assertEquals((error?.cause as Error).message, "code of the caller");
});

test("the first misuse is kept, and thrown by what needs the command, without a backend", () => {
  const command = new Command("true").umask(-1).nice(100);
  assertEquals(command.error?.message, "umask(-1): expected 0 to 0o777");
  for (
    const query of [() => command.toString(), () => command.resolve(), () => command.explain()]
  ) {
    assert(assertThrows(query) === command.error);
  }
  assertEquals(requests, 0);
});

test("a query of a command without a misuse needs a backend", () => {
  assertThrows(() => new Command("true").toString(), BackendRequest);
  assertEquals(requests, 1);
});
