import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { test } from "node:test";
import { choose } from "../../backends/choose.ts";
import type { Libc } from "../../backends/native/libc.ts";
import { nativeBackend } from "../../backends/native/native.ts";
import type { Host } from "../../backends/spawner/host.ts";
import { x86_64 } from "../../backends/child_program/arch/x86_64.ts";
import { type Backend, backend } from "../../core/backend.ts";
import type { DriverName } from "../../core/drivers.ts";
import { SystemCallError, UnsupportedError, UsageError } from "../../core/errors.ts";
import "../../mod.ts";

const HOW = { reason: "test", stage: undefined };

/** A driver of that name, which is otherwise the one of this process. */
function fake(driver: DriverName): (reason: string) => Backend {
  return (reason) => {
    const own = backend();
    return { ...own, driver, info: () => ({ ...own.info(), driver, reason }) };
  };
}

function refusing(message: string): () => Backend {
  return () => {
    throw new Error(message);
  };
}

const all = { native: fake("native"), launcher: fake("launcher"), portable: fake("portable") };

test("the most able driver that can be made serves", () => {
  assertEquals(choose(all, undefined, undefined).info().driver, "native");
  const { driver, reason } = choose(
    { ...all, native: refusing("clone: EPERM"), launcher: refusing("noexec") },
    undefined,
    "",
  ).info();
  assertEquals(driver, "portable");
  assertEquals(reason, "no native driver: clone: EPERM; no launcher driver: noexec");
});

test("a driver that is asked for serves, or is an error", () => {
  assertEquals(choose(all, "portable", undefined).info().driver, "portable");
  assertEquals(choose(all, undefined, "launcher").info().driver, "launcher");
  assertEquals(choose(all, "native", "portable").info().driver, "native");
  const { launcher: _, ...others } = all;
  const error = assertThrows(() => choose(others, "launcher", undefined));
  assert(error instanceof UnsupportedError);
  assertThrows(() => choose(all, undefined, "turbo"), UsageError);
  assertThrows(() => choose({ native: refusing("no") }, undefined, undefined), Error, "no");
});

test("a driver that is asked for and cannot be had is an UnsupportedError with the cause", () => {
  const cause = new SystemCallError("clone", 1);
  const makers = {
    native: () => {
      throw cause;
    },
  };
  for (const [asked, variable] of [["native", undefined], [undefined, "native"]] as const) {
    const error = assertThrows(() => choose(makers, asked, variable), UnsupportedError);
    assertEquals([error.driver, error.cause], ["native", cause]);
    assert(error.message.includes(cause.message), error.message);
  }
});

/** libc in a sandbox that refuses one system call, with EPERM. */
function sandboxed(refused: string): Libc {
  const memory = new Map<number, ArrayBuffer>();
  let next = 4096;
  return {
    syscall(number, ...args) {
      if (number === x86_64.numbers[refused as "mprotect"]) return -1;
      if (number !== x86_64.numbers.mmap) return 0;
      const address = next;
      next += 1 << 24;
      memory.set(address, new ArrayBuffer(args[1] ?? 0));
      return address;
    },
    invoke(_, ticket) {
      if (refused === "clone") new DataView(this.view(ticket, 56)).setBigInt64(48, -1n, true);
    },
    environ: () => 0,
    sharesEnviron: false,
    getauxval: () => 0,
    getpwnam_r: () => 0,
    getpwuid_r: () => 0,
    getgrouplist: () => 0,
    view: (address) => memory.get(address) ?? new ArrayBuffer(0),
  };
}

for (const refused of ["mprotect", "clone", "waitid"]) {
  test(`the native driver is not made where ${refused} is refused`, () => {
    assertThrows(() => nativeBackend({} as Host, sandboxed(refused), x86_64, HOW));
  });
}

test("nor where a child program does not do what it says", () => {
  // Every call succeeds, and nothing happens: the child has noted no pid.
  const error = assertThrows(() => nativeBackend({} as Host, sandboxed("none"), x86_64, HOW));
  assert(error instanceof Error);
});

test("a process that is out of descriptors for the moment settles on no lesser driver", () => {
  for (const code of ["EMFILE", "ENFILE"]) {
    const error = Object.assign(new Error(code), { code });
    const makers = {
      native: () => {
        throw error;
      },
      portable: () => assert(false, "the next driver was made") as never,
    };
    assertStrictEquals(assertThrows(() => choose(makers, undefined, undefined)), error);
  }
});
