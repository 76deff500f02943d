import { assert, assertEquals } from "@std/assert";
import { test } from "node:test";
import { runInNewContext } from "node:vm";
import { isBytes } from "../../core/bytes.ts";
import { isError } from "../../core/error_code.ts";
import { Command, dryRun, syscalls } from "../../mod.ts";

/** A value of another realm. */
function foreign<T>(code: string): T {
  return runInNewContext(code) as T;
}

test("bytes and errors of another realm are bytes and errors", () => {
  assert(
    isBytes(foreign("new Uint8Array(1)")) && !(foreign("new Uint8Array(1)") instanceof Uint8Array),
  );
  for (const each of ["new Int8Array(1)", "new ArrayBuffer(1)", "[1]", "null", "'a'"]) {
    assert(!isBytes(foreign(each)), each);
  }
  for (const each of ["new Error('a')", "new TypeError('a')"]) assert(isError(foreign(each)), each);
  for (const each of ["({ message: 'a' })", "null", "'Error'"]) {
    assert(!isError(foreign(each)), each);
  }
});

test("a command takes bytes of another realm wherever it takes bytes", async () => {
  const bytes = () => foreign<Uint8Array>("new Uint8Array([104, 105])");
  const commands = [
    new Command("cat").stdin(bytes()),
    new Command("cat").stdin([bytes()]),
    new Command("cat").stdin(
      new ReadableStream({
        start(controller) {
          controller.enqueue(bytes());
          controller.close();
        },
      }),
    ),
  ];
  for (const each of commands) assertEquals(await each.text(), "hi");
  assertEquals(new Command("cat").stdin(bytes()).runSync().stdout, "hi");
  const buffer = new Command("true");
  buffer.sendBuffer(bytes());
  assertEquals(buffer.error, undefined);
  assertEquals(new Command("true").step(syscalls.raw(0, bytes())).error, undefined);
  const answer = await dryRun(() => ({ stdout: bytes() }), () => new Command("cat").text());
  assertEquals(answer, "hi");
});

test("bytes that come out are of this realm", async () => {
  const { stdoutBytes } = await new Command("printf", "a").run();
  assert(stdoutBytes instanceof Uint8Array);
});
